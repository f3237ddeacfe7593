"""Errors of the processes.

RolesMissing   the login of DATABASE_URL may not act as the roles that requests and duties act as
"""


class RolesMissing(Exception):
    """A login lacks roles of Postgres; it says what an administrator runs."""
