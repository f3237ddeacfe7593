"""What members may do: roles stand for scopes."""

from collections.abc import Mapping
from types import MappingProxyType

from api.auth.keys import Scope
from api.auth.tables import Role

SCOPES: Mapping[Role, frozenset[Scope]] = MappingProxyType(
    {
        Role.VIEWER: frozenset({Scope.READ}),
        Role.EDITOR: frozenset({Scope.READ, Scope.EDIT}),
        Role.REVIEWER: frozenset({Scope.READ, Scope.EDIT, Scope.DECIDE}),
        Role.ADMIN: frozenset(Scope),
    }
)
"""An admin has every scope: nobody grants what they lack, so who makes the key that rows come in with has its scope."""
