"""The tools that only read. Their descriptions are what a model knows of them."""

from typing import Annotated, Any, Literal

from mcp.server import MCPServer
from mcp.types import ToolAnnotations
from pydantic import Field

from api.mcp.asking import answer
from truelift import AsyncTruelift

READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)
ExperimentKey = Annotated[str, Field(description="The experiment's key, from list_experiments or search.")]
KpiKey = Annotated[str, Field(description="The KPI's key, such as a finding names.")]
Day = Annotated[str | None, Field(description="A day, as in 2026-06-01.")]


def add_reading(server: MCPServer[Any], truelift: AsyncTruelift) -> None:
    """Add the tools that read."""
    _add_experiments(server, truelift)
    _add_kpis(server, truelift)
    _add_planning(server, truelift)


def _add_experiments(server: MCPServer[Any], truelift: AsyncTruelift) -> None:
    @server.tool(annotations=READS, structured_output=False)
    async def list_experiments(
        after: Annotated[str | None, Field(description="pageInfo.endCursor of the page before.")] = None,
    ) -> str:
        """List the workspace's experiments, 50 a page: key, name, state, owner and the hypothesis each tests."""
        return await answer(truelift, "list_experiments", after=after)

    @server.tool(annotations=READS, structured_output=False)
    async def experiment_diagnostics(key: ExperimentKey) -> str:
        """Say whether an experiment's data can be trusted. Call this before experiment_results.

        `health` INVALID or `srm.state` ALARM: say so first, and draw no conclusion from any number. Of a draft,
        launchChecks says what stands in its way. Each check has its sentence; pass it on as it is.
        """
        return await answer(truelift, "experiment_diagnostics", key=key)

    @server.tool(annotations=READS, structured_output=False)
    async def experiment_results(key: ExperimentKey) -> str:
        """Give an experiment's verdict and findings. Call experiment_diagnostics first.

        The verdict follows from a plan fixed beforehand, and knows how often the data were looked at. Report
        verdict.state and verdict.sentence as they are; do not recalculate significance, intervals or lifts from the
        numbers, and do not turn KEEP_RUNNING or INCONCLUSIVE into a winner. Shares and lifts are fractions: 0.05 is 5%.
        null with a `reason` is a number that does not exist. `results` null: the experiment has none yet.
        """
        return await answer(truelift, "experiment_results", key=key)


def _add_kpis(server: MCPServer[Any], truelift: AsyncTruelift) -> None:
    @server.tool(annotations=READS, structured_output=False)
    async def kpi(key: KpiKey) -> str:
        """Say what a KPI measures: its definition, direction, owner, baseline, target, and how fresh its values are."""
        return await answer(truelift, "kpi", key=key)

    @server.tool(annotations=READS, structured_output=False)
    async def kpi_values(
        key: KpiKey,
        granularity: Annotated[
            Literal["DAY", "WEEK", "MONTH", "QUARTER"] | None, Field(description="The KPI's own frequency if absent.")
        ] = None,
        segment: Annotated[str, Field(description="One of segmentNames, such as plan=pro; empty: everybody.")] = "",
        from_on: Day = None,
        to_on: Day = None,
    ) -> str:
        """Give a KPI's values by period as columns: entry 3 of each belongs to entry 3 of the others.

        lower and upper are limits of 95% intervals. A period that is not isFinal still changes: do not call it a drop.
        These values are observational; they say nothing of causes. Do not recalculate totals from them.
        """
        return await answer(
            truelift, "kpi_values", key=key, granularity=granularity, segment=segment, fromOn=from_on, toOn=to_on
        )


def _add_planning(server: MCPServer[Any], truelift: AsyncTruelift) -> None:
    @server.tool(annotations=READS, structured_output=False)
    async def design(
        kpi: KpiKey,
        lift: Annotated[float | None, Field(description="Smallest relative effect worth having; 0.05 is 5%.")] = None,
        difference: Annotated[float | None, Field(description="The same in the KPI's units; give one of both.")] = None,
        units_per_day: Annotated[float | None, Field(description="New units a day; measured if absent.")] = None,
        policy: Literal["GROUP_SEQUENTIAL", "ALWAYS_VALID", "FIXED"] = "GROUP_SEQUENTIAL",
        looks: Annotated[int, Field(description="Planned moments to decide; 1 with FIXED.")] = 4,
        alpha: float = 0.05,
        power: float = 0.8,
    ) -> str:
        """Say how many units and days a test of one KPI against a control needs, from the KPI's own baseline.

        Use these sizes; do not recalculate them by a formula of your own, for they know the looks and the KPI's kind.
        """
        mde = {name: value for name, value in {"lift": lift, "difference": difference}.items() if value is not None}
        given = {
            "kpis": [{"kpi": kpi, "role": "PRIMARY", "mde": mde or None}],
            "unitsPerDay": units_per_day,
            "policy": policy,
            "looks": 1 if policy == "FIXED" else looks,
            "alpha": alpha,
            "power": power,
        }
        return await answer(truelift, "design", input=given)

    @server.tool(annotations=READS, structured_output=False)
    async def search(
        query: Annotated[str, Field(description="Words, as one would type them.")],
        kinds: Annotated[
            list[Literal["HYPOTHESIS", "EXPERIMENT", "LEARNING"]] | None, Field(description="All three if absent.")
        ] = None,
    ) -> str:
        """Find hypotheses, experiments and learnings by their words, best first: what is known before testing again."""
        return await answer(truelift, "search", query=query, kinds=kinds)
