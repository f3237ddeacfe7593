"""The sample company of `truelift demo`: Northwind Planner, simulated, with known truths.

About 20,000 users in 2,000 accounts over 120 days and five experiments; beside them 900 customers with a contract and
their people over two years (api/sample/customers). Rows are in the public wire form. Pure: no database, no web, no
clock; the same seed gives the same company.
"""

from api.sample.company import Company, Period, simulate
from api.sample.registrations import Registrations
from api.sample.rows import customer_outcomes, exposures, memberships, outcomes, traits
from api.sample.staff import ADMIN, staff
from api.sample.steering import mark, steps
from api.sample.truths import Truth

__all__ = [
    "ADMIN",
    "Company",
    "Period",
    "Registrations",
    "Truth",
    "customer_outcomes",
    "exposures",
    "mark",
    "memberships",
    "outcomes",
    "simulate",
    "staff",
    "steps",
    "traits",
]
