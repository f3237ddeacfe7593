"""Weeks to relapse of 42 children with leukaemia (Freireich et al. 1963, Blood 21), as the textbooks print them."""

from tests.stats.expansion import table_of

DRUG_WEEKS = [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35]
DRUG_STATUS = [1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]
PLACEBO_WEEKS = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]
PLACEBO_STATUS = [1] * 21

DRUG = table_of(DRUG_WEEKS, DRUG_STATUS, 35)
PLACEBO = table_of(PLACEBO_WEEKS, PLACEBO_STATUS, 35)
