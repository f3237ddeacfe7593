"""A company of a dozen accounts, kept by hand: every KPI of the catalogue from its raw rows."""
