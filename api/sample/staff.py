"""The people of the sample company who use Truelift: those who own its experiments, and the admin who lets them in."""

from api.auth.tables import Role
from api.sample.registrations import ACTIVATION, EDITOR, ENGAGEMENT, ONBOARDING

ADMIN = "sam.rivera@northwind.example"
ROLES = {ONBOARDING: Role.REVIEWER, ACTIVATION: Role.REVIEWER, ENGAGEMENT: Role.EDITOR, EDITOR: Role.VIEWER}


def staff() -> tuple[tuple[str, str, Role], ...]:
    """Mailbox, name and role of each."""
    owners = ((owner.partition(",")[0], role) for owner, role in ROLES.items())
    people = ((f"{name.lower().replace(' ', '.')}@northwind.example", name, role) for name, role in owners)
    return (ADMIN, "Sam Rivera", Role.ADMIN), *people
