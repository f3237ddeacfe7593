"""What a field asks of its caller. A root field without one of these fails the house rules."""

from typing import Any

from strawberry.permission import BasePermission
from strawberry.types import Info

from api.auth.keys import Scope


class Needs(BasePermission):
    """The caller has a scope, by their key or their role."""

    scope: Scope

    def has_permission(self, source: Any, info: Info[Any, Any], **_kwargs: Any) -> bool:
        """Whether the caller may."""
        return bool(info.context.caller.may(self.scope))


def _needing(scope: Scope) -> type[Needs]:
    message = f"This needs the scope “{scope}”, of a key or of your role."
    return type(
        f"Needs{scope.name.title()}",
        (Needs,),
        {"scope": scope, "message": message, "error_extensions": {"code": "FORBIDDEN", "scope": str(scope)}},
    )


MayRead = _needing(Scope.READ)
MayEdit = _needing(Scope.EDIT)
MayDecide = _needing(Scope.DECIDE)
MayIngest = _needing(Scope.INGEST)
MayAdmin = _needing(Scope.ADMIN)
