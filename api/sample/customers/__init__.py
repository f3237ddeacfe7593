"""The sample company's customers with a contract: two years of accounts, drawn from a chain of causes that is known.

`law` says what causes what, `rungs` what is true of it, `clientele` draws a history, `summaries` adds it up without a
database: as much as a calibration needs.
"""

from api.sample.customers.clientele import Clientele, clientele
from api.sample.customers.population import Customers, draw

__all__ = ["Clientele", "Customers", "clientele", "draw"]
