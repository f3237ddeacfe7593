"""One company for all tests of the sample, and its rows as a consumer reads them."""

from datetime import date

import pytest

from api.sample import Company, exposures, outcomes, simulate
from api.sample.rows import Row

TODAY = date(2026, 11, 22)


@pytest.fixture(scope="package")
def company() -> Company:
    return simulate(today=TODAY)


@pytest.fixture(scope="package")
def exposure_rows(company: Company) -> list[Row]:
    return list(exposures(company))


@pytest.fixture(scope="package")
def outcome_rows(company: Company) -> list[Row]:
    return list(outcomes(company))
