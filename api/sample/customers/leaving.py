"""Which customers leave, by the law: what the best of all scores tells of them.

A contract is renewed with a chance that depends on nothing but whether the account is retained (`law.RENEWED`). So who
knows that, and who pays, knows all there is to know beforehand: no health score puts more pairs in the right order.
"""

import numpy as np

from api.sample.customers import rungs
from api.sample.customers.law import HISTORY_DAYS, RENEWAL_LEAD, RENEWED, TERM_DAYS, delay
from api.sample.customers.population import Customers, Flags
from api.sample.law import REGION_SHARES, Floats

LATER_DAYS = 90
"""In which the product looks who has left."""
CHECKED = HISTORY_DAYS - LATER_DAYS
"""The last day of the history that has so many after it."""


def ceiling(day: float = CHECKED, until: float = HISTORY_DAYS) -> float:
    """Of one who pays on a day and has left by another, and one who stays: the chance that the best score parts them.

    The area under the ROC curve of knowing who is retained; those alike in it are a toss-up. Raises ValueError for days
    that do not follow each other within the history.
    """
    if not 0 < day < until <= HISTORY_DAYS:
        raise ValueError(f"the days follow each other within the {HISTORY_DAYS} of the history")
    opened: Floats = np.linspace(0, day, 16_001)[1::2]
    left, stayed = np.zeros(2), np.zeros(2)
    for region, share in enumerate(REGION_SHARES):
        retained = rungs.rungs(delay(opened, np.full(len(opened), region))).retention
        before, after = (RENEWED[:, None] ** _terms(opened, moment) for moment in (day, until))
        paying = share * np.stack([1 - retained, retained])
        left, stayed = left + (paying * (before - after)).sum(axis=1), stayed + (paying * after).sum(axis=1)
    of_left, of_stayed = left / left.sum(), stayed / stayed.sum()
    return float(0.5 + (of_left[0] - of_stayed[0]) / 2)


def left_since(customers: Customers, day: float = CHECKED, until: float = HISTORY_DAYS) -> tuple[Flags, Flags]:
    """Of accounts (account,): which pay on a day, and which of these do not any more on another."""
    then, now = (customers.mrr_at(np.full(len(customers), moment)) > 0 for moment in (day, until))
    return then, then & ~now


def _terms(opened: Floats, moment: float) -> Floats:
    """Renewals that were due by then."""
    terms: Floats = np.floor((moment - opened + RENEWAL_LEAD) / TERM_DAYS)
    return terms
