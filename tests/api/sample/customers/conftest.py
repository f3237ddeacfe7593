"""Few customers, for tests that store them."""

import pytest

from api.sample.customers import Clientele, clientele
from tests.api.sample.conftest import TODAY


@pytest.fixture(scope="package")
def drawn() -> Clientele:
    return clientele(seed=3, today=TODAY, accounts=150)
