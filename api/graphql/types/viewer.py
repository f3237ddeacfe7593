"""The caller, as the API shows it."""

import strawberry

from api.auth.keys import Caller


@strawberry.type(description="The key a request came with.")
class ViewerKey:
    """The key a request came with."""

    name: str = strawberry.field(description="The name of the key.")
    scopes: list[str] = strawberry.field(description="The scopes of the key.")


@strawberry.type(description="Who is asking.")
class Viewer:
    """Who is asking."""

    workspace: str = strawberry.field(description="The key of the workspace the caller sees.")
    api_key: ViewerKey = strawberry.field(description="The key the request came with.")

    @classmethod
    def of(cls, caller: Caller) -> "Viewer":
        """The caller as its face."""
        scopes = sorted(str(scope) for scope in caller.scopes)
        return cls(workspace=caller.workspace, api_key=ViewerKey(name=caller.key_name, scopes=scopes))
