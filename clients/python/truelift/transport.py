"""What httpx brings back, as answers."""

import httpx

from truelift.address import Address
from truelift.steps import Answer

OK = 200


def answered(response: httpx.Response) -> Answer:
    """A response that has been read."""
    return Answer(status=response.status_code, body=response.content, retry_after=response.headers.get("retry-after"))


def silence(address: Address, error: httpx.TransportError) -> Answer:
    """What is left where nobody answered."""
    return Answer(status=None, body=f"{address.url} does not answer: {type(error).__name__}.".encode())
