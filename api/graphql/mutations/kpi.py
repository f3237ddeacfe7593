"""Registering KPIs and hypotheses."""

from datetime import date
from typing import Annotated, Any

import strawberry

from api.auth.permissions import MayEdit
from api.graphql.context import Info
from api.graphql.errors import UserError, answer
from api.graphql.mutations.definition import KpiDefinitionInput
from api.graphql.replies import Repeatable
from api.graphql.types.hypothesis import Hypothesis
from api.graphql.types.kpi import Kpi
from kpi import enums, service
from kpi.catalogue.completion import Choice, completed
from kpi.errors import refuse
from kpi.history.entry import Entry


@strawberry.input(description="A KPI's level before, with its error.")
class BaselineInput:
    """A baseline."""

    value: float = strawberry.field(description="The value of the KPI in the window.")
    standard_error: float | None = strawberry.field(
        description="The standard error of the value; of a share of units it follows from `n`.", default=None
    )
    n: int | None = strawberry.field(description="The units it was measured on.", default=None)
    from_on: date | None = strawberry.field(description="The first day of the window.", default=None)
    to_on: date | None = strawberry.field(description="The last day of the window.", default=None)

    def stated(self) -> service.BaselineValue:
        """The baseline it states."""
        return service.BaselineValue(**vars(self))


@strawberry.input(
    description="Whom a KPI counts outside experiments: units from their first event on, or all at the end of a period."
)
class EntryInput:
    """Whom a KPI counts outside experiments."""

    event: str | None = strawberry.field(
        description="The event by which units enter, at their first one; cohorts are the units of one day.",
        default=None,
    )
    every: enums.Granularity | None = strawberry.field(
        description="Instead, measure all units at the end of each of these periods, over the window up to it.",
        default=None,
    )
    is_clustered: bool = strawberry.field(
        description="Whether users of one account are alike, so that the error is that of accounts.", default=False
    )
    is_repeated: bool = strawberry.field(
        description="Whether a unit enters at each such event, and not at its first one alone: a renewal, a risk.",
        default=False,
    )
    among: str | None = strawberry.field(
        description="Measure, at the end of each period, all units whose level of this event is above 0, such as `mrr`,"
        " also those who did nothing; without it only units with a row of the KPI's events in the window.",
        default=None,
    )

    def entry(self) -> Entry:
        """The entry it states."""
        return Entry(**vars(self))


@strawberry.input(description="The name under which an event of the catalogue is sent here.")
class EventNameInput:
    """The name under which an event of the catalogue is sent here."""

    from_: str = strawberry.field(name="from", description="The name in the catalogue.")
    to: str = strawberry.field(description="The name here.")


@strawberry.input(
    description="A KPI to register. With `fromCatalogue` all else is optional, and what is given wins over it; without,"
    " it needs key, name, direction, owner and definition."
)
class KpiRegisterInput(Repeatable):
    """A KPI to register."""

    from_catalogue: str | None = strawberry.field(
        description="The key of a KPI of the catalogue that says what is not given here.", default=None
    )
    events: list[EventNameInput] = strawberry.field(
        description="Events of the catalogue's KPI that have other names here.", default_factory=list
    )
    key: str | None = strawberry.field(
        description="The key: small letters, digits and hyphens, unique in the workspace; the catalogue's if not said.",
        default=strawberry.UNSET,
    )
    name: str | None = strawberry.field(description="The name.", default=strawberry.UNSET)
    unit: enums.Unit | None = strawberry.field(
        description="The unit it counts; users, unless the catalogue says accounts.", default=strawberry.UNSET
    )
    direction: enums.Direction | None = strawberry.field(
        description="The direction that is better.", default=strawberry.UNSET
    )
    owner: str | None = strawberry.field(
        description="The person who owns it; for a KPI of the catalogue whoever registers it, if not said.",
        default=strawberry.UNSET,
    )
    definition: KpiDefinitionInput | None = strawberry.field(
        description="How it is computed.", default=strawberry.UNSET
    )
    description: str | None = strawberry.field(description="The definition in words.", default=strawberry.UNSET)
    tier: enums.Tier | None = strawberry.field(description="The tier; early if not said.", default=strawberry.UNSET)
    is_leading: bool | None = strawberry.field(
        description="Whether it moves before revenue does; it does if not said.", default=strawberry.UNSET
    )
    driver: enums.Driver | None = strawberry.field(
        description="The part of revenue it feeds; renewal if not said.", default=strawberry.UNSET
    )
    data_source: str | None = strawberry.field(description="The source of its data.", default=strawberry.UNSET)
    frequency: enums.Frequency | None = strawberry.field(
        description="The frequency it is reported at; weekly if not said.", default=strawberry.UNSET
    )
    action: str | None = strawberry.field(description="The action its alert triggers.", default=strawberry.UNSET)
    baseline: BaselineInput | None = strawberry.field(description="Its level before.", default=None)
    entry: EntryInput | None = strawberry.field(
        description="Whom it counts outside experiments; without it, it has no values of its own.",
        default=strawberry.UNSET,
    )
    segments: list[str] | None = strawberry.field(
        description="Traits of units that its values are sliced by, as known when a unit enters.",
        default=strawberry.UNSET,
    )

    def fields(self, registrant: str) -> dict[str, Any]:
        """All that registering it takes, with what the catalogue says; raises Invalid."""
        apart = ("from_catalogue", "events", "baseline")
        said = {name: value for name, value in self.said().items() if value is not None}
        given = {name: _stated(value) for name, value in said.items() if name not in apart}
        if self.from_catalogue is not None:
            given = {"owner": registrant} | given
        events = tuple((event.from_, event.to) for event in self.events)
        fields, problems = completed(given, Choice(template=self.from_catalogue, events=events))
        refuse(problems)
        return fields | {"baseline": self.baseline and self.baseline.stated()}


def _stated(value: Any) -> Any:
    """An input as the domain's own value."""
    if isinstance(value, KpiDefinitionInput):
        return value.kind()
    return value.entry() if isinstance(value, EntryInput) else value


@strawberry.type(description="The answer to kpiRegister.")
class KpiRegisterPayload:
    """The answer to kpiRegister."""

    kpi: Kpi | None = strawberry.field(description="The KPI; null when there are errors.", default=None)
    user_errors: list[UserError] = strawberry.field(description="The faults in the input.")


@strawberry.input(description="A hypothesis to register.")
class HypothesisRegisterInput(Repeatable):
    """A hypothesis to register."""

    key: str = strawberry.field(description="The key: small letters, digits and hyphens, unique in the workspace.")
    title: str = strawberry.field(description="The hypothesis in one line.")
    change: str = strawberry.field(description="The change that is made.")
    kpi: str = strawberry.field(description="The key of the KPI that is expected to move.")
    direction: enums.Change = strawberry.field(description="The direction it is expected to move.")
    owner: str = strawberry.field(description="The person who owns it.")
    expected_lift: float | None = strawberry.field(
        description="The relative effect expected, 0.05 for five per cent.", default=None
    )
    segment: str | None = strawberry.field(description="The segment it is believed of.", default=None)
    rationale: str = strawberry.field(description="The reason to believe it.", default="")


@strawberry.type(description="The answer to hypothesisRegister.")
class HypothesisRegisterPayload:
    """The answer to hypothesisRegister."""

    hypothesis: Hypothesis | None = strawberry.field(
        description="The hypothesis; null when there are errors.", default=None
    )
    user_errors: list[UserError] = strawberry.field(description="The faults in the input.")


KpiInput = Annotated[KpiRegisterInput, strawberry.argument(description="The KPI to register.")]
HypothesisInput = Annotated[HypothesisRegisterInput, strawberry.argument(description="The hypothesis to register.")]


@strawberry.type
class KpiMutation:
    """Registering KPIs and hypotheses."""

    @strawberry.mutation(
        description="Register a KPI, of your own or from the catalogue, with its baseline if it is known.",
        permission_classes=[MayEdit],
    )
    async def kpi_register(self, info: Info, input: KpiInput) -> KpiRegisterPayload | None:  # noqa: A002 - the API's word
        """Register a KPI."""

        async def action() -> dict[str, Any]:
            fields = input.fields(info.context.caller.key_name)
            async with info.context.write(info) as session:
                kpi = await service.register_kpi(
                    session, workspace_id=info.context.caller.workspace_id, now=info.context.now, **fields
                )
            return {"kpi": kpi}

        return await answer(KpiRegisterPayload, action)

    @strawberry.mutation(description="Register what a change is believed to do to a KPI.", permission_classes=[MayEdit])
    async def hypothesis_register(
        self,
        info: Info,
        input: HypothesisInput,  # noqa: A002 - the API's word
    ) -> HypothesisRegisterPayload | None:
        """Register a hypothesis."""

        async def action() -> dict[str, Any]:
            async with info.context.write(info) as session:
                hypothesis = await service.register_hypothesis(
                    session, workspace_id=info.context.caller.workspace_id, now=info.context.now, **input.said()
                )
            return {"hypothesis": hypothesis}

        return await answer(HypothesisRegisterPayload, action)
