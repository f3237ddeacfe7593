"""The tools that register, there only where somebody asked for them. None starts, stops or decides anything."""

from typing import Annotated, Any, Literal

from mcp.server import MCPServer
from mcp.types import ToolAnnotations
from pydantic import Field

from api.mcp.asking import answer
from truelift import AsyncTruelift

ADDS = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=False)
Key = Annotated[str, Field(description="A new key: lower-case words joined by hyphens.")]
Owner = Annotated[str, Field(description="The person who answers for it; ask, do not invent one.")]


def add_writing(server: MCPServer[Any], truelift: AsyncTruelift) -> None:
    """Add the tools that register."""

    @server.tool(annotations=ADDS, structured_output=False)
    async def register_hypothesis(
        key: Key,
        title: Annotated[str, Field(description="The claim in a sentence.")],
        change: Annotated[str, Field(description="What will be done.")],
        kpi: Annotated[str, Field(description="The key of the KPI it should move.")],
        direction: Literal["INCREASE", "DECREASE"],
        owner: Owner,
        expected_lift: Annotated[float | None, Field(description="Relative; 0.05 is 5%.")] = None,
        rationale: str = "",
    ) -> str:
        """Register a hypothesis. Search first: it may have been tested."""
        given = {
            "key": key,
            "title": title,
            "change": change,
            "kpi": kpi,
            "direction": direction,
            "owner": owner,
            "expectedLift": expected_lift,
            "rationale": rationale,
        }
        return await answer(truelift, "hypothesis_register", input=given)

    @server.tool(annotations=ADDS, structured_output=False)
    async def register_experiment_draft(
        key: Key,
        name: str,
        hypothesis: Annotated[str, Field(description="The key of the hypothesis it tests.")],
        kind: Literal["ONBOARDING_FLOW", "FEATURE_FLAG", "MESSAGE", "OTHER"],
        owner: Owner,
        variants: Annotated[
            list[dict[str, Any]],
            Field(description='VariantInput objects: {"key","name","weight"?,"isControl"?}; one isControl.'),
        ],
        plan: Annotated[
            dict[str, Any],
            Field(
                description='PlanInput: {"kpis":[{"kpi","role":"PRIMARY"|"SECONDARY"|"GUARDRAIL","mde":{"lift"}|'
                '{"difference"},"margin"?}],"horizonDays","policy"?,"looks"?,"alpha"?,"power"?}. Sizes: see design.'
            ),
        ],
    ) -> str:
        """Register an experiment as a draft. A person starts it; nothing runs until then. Faults are all told."""
        given = {
            "key": key,
            "name": name,
            "hypothesis": hypothesis,
            "kind": kind,
            "owner": owner,
            "variants": variants,
            "plan": plan,
        }
        return await answer(truelift, "experiment_register", input=given)
