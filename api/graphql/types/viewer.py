"""The caller, as the API shows it."""

from datetime import datetime, timedelta

import strawberry

from api.auth.keys import Caller
from api.graphql.context import Context


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


@strawberry.type(description="What the caller may still ask for.")
class RateLimit:
    """What the caller may still ask for."""

    cost: float = strawberry.field(description="The cost of this request.")
    remaining: float = strawberry.field(description="The cost that is left to ask for now, this request paid.")
    reset_at: datetime = strawberry.field(description="The time all of the budget will be there, if nothing is asked.")

    @classmethod
    def of(cls, context: Context) -> "RateLimit | None":
        """What the caller of a request may still ask for; None where nothing is counted."""
        allowance, caller = context.allowance, context.caller
        if allowance is None:
            return None
        whole = context.now + timedelta(seconds=allowance.seconds(caller))
        return cls(cost=context.cost, remaining=allowance.left(caller), reset_at=whole)
