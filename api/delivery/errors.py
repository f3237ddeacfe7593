"""Errors of delivery. Each carries a sentence that whoever registered the endpoint understands.

DeliveryError
├── BadAddress   an address that no notice can be sent to
└── NotPublic    an address that leads inside: nothing is sent there unless the operator allows it
"""


class DeliveryError(Exception):
    """Base of this package's errors."""


class BadAddress(DeliveryError):
    """An address that no notice can be sent to."""


class NotPublic(DeliveryError):
    """An address that leads inside."""
