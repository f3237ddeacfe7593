"""The customers with a contract."""
