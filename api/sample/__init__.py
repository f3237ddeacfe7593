"""The sample company of `truelift demo`: Northwind Planner, simulated, with known truths.

About 20,000 users in 2,000 accounts over 120 days, five experiments, and rows in the public wire form. Pure: no
database, no web, no clock; the same seed gives the same company.
"""

from api.sample.company import Company, Period, simulate
from api.sample.registrations import Registrations
from api.sample.rows import exposures, outcomes
from api.sample.truths import Truth

__all__ = ["Company", "Period", "Registrations", "Truth", "exposures", "outcomes", "simulate"]
