"""What can be wrong with how the service is observed."""


class NoTracing(Exception):
    """Traces are wanted, and what makes them is not installed."""
