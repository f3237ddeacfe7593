"""The documents that the simulated company sends, and its one way to ask."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from api.auth.keys import Caller
from api.database import Database
from api.graphql.context import Context
from api.graphql.schema import schema

REGISTER = """
mutation Register($input: {noun}RegisterInput!) {{ {verb}Register(input: $input) {{
  {verb} {{ id }} userErrors {{ message path }}
}} }}
"""
MOVE = """
mutation Move($input: Experiment{verb}Input!) {{ experiment{verb}(input: $input) {{
  experiment {{ state }} userErrors {{ message path }}
}} }}
"""
NEEDED = "query P($id: ID!) { node(id: $id) { ... on Experiment { plan { neededUnits } } } }"
VERDICT = """
query V($id: ID!) { node(id: $id) { ... on Experiment {
  results { dataThrough isPlanSealedBeforeData verdict { state rule variant { key } } }
} } }
"""
EVIDENCE = """
query E($id: ID!) { node(id: $id) { ... on Experiment {
  results { findings {
    role
    estimate { difference } interval { lower upper }
    control { standardError } treatment { standardError }
    groupSequential { estimate boundary interval { lower upper } }
  } }
} } }
"""
PUBLISHED = "query L($id: ID!) { node(id: $id) { ... on Experiment { publishedLooks { plannedOn verdict } } } }"
DECISIONS = "query D($id: ID!) { node(id: $id) { ... on Experiment { decisions { verdict differs } } } }"
Answer = dict[str, Any]


class Refused(Exception):
    """The service did not do what it was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Somebody of the company who asks the service."""

    database: Database
    caller: Caller

    async def ask(self, document: str, variables: Answer, now: datetime) -> Answer:
        """Run a document as of a moment. Raises Refused for any error, also one of the user's."""
        result = await schema.execute(document, variables, Context(database=self.database, caller=self.caller, now=now))
        if result.errors or not result.data:
            raise Refused(f"{result.errors}")
        (answer,) = result.data.values()
        if answer.get("userErrors"):
            raise Refused(f"{variables}: {answer['userErrors']}")
        return dict(answer)

    async def register(self, noun: str, given: Answer, now: datetime) -> str:
        """Register something; its id."""
        verb = noun.lower()
        answer = await self.ask(REGISTER.format(noun=noun, verb=verb), {"input": given}, now)
        return str(answer[verb]["id"])

    async def move(self, verb: str, now: datetime, **given: Any) -> None:
        """Move an experiment on."""
        await self.ask(MOVE.format(verb=verb), {"input": given}, now)
