"""Reads that many fields of one answer share: each key is fetched once, all keys of a tick in one statement."""

import asyncio
import typing
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from datetime import date, datetime
from typing import Any, TypeVar

from sqlmodel.ext.asyncio.session import AsyncSession
from strawberry import dataloader

from api.auth import keys, members
from api.auth.tables import ApiKey, Member
from api.database import driver
from api.delivery import queries as delivery_queries
from api.delivery.tables import Delivery, Endpoint
from api.graphql.nodes import Page, Part, pages
from api.jobs import spool
from api.jobs.tables import Job
from api.sitting import Sitting
from experiments import queries as experiment_queries
from experiments.enums import State
from experiments.inference import analysis
from experiments.inference.analysis import Record, Results
from experiments.life import story
from experiments.life.launch import LaunchCheck
from experiments.life.surroundings import launch_checks
from experiments.planning import rehearsals
from experiments.planning.replays import Shown
from experiments.programme import changes, library, weighing
from experiments.programme.changes import Ascent, Programme
from experiments.programme.evidence import Evidence
from experiments.programme.reviews import queries as review_queries
from experiments.programme.reviews.tables import ActionItem, Review
from experiments.tables import (
    Amendment,
    Decision,
    Experiment,
    ExperimentKpi,
    Learning,
    LearningVersion,
    Protocol,
    ProtocolVersion,
    PublishedLook,
    StatusChange,
    Step,
)
from kpi import batches
from kpi import queries as kpi_queries
from kpi.alerts import queries as alert_queries
from kpi.alerts.tables import Alert, AlertRule, Annotation
from kpi.history import values
from kpi.history.sums import Sums
from kpi.history.tables import History
from kpi.tables import Baseline, Definition, Hypothesis, Kpi, KpiChange, KpiLink, Notice, Rejection, Target

K = TypeVar("K")
V = TypeVar("V")
Fetch = Callable[[AsyncSession, list[int]], Awaitable[dict[int, V]]]


class DataLoader(dataloader.DataLoader[K, V]):
    """A loader that many may wait for: one who leaves takes the answer from nobody."""

    def load(self, key: K) -> Awaitable[V]:
        """What belongs to a key."""
        return asyncio.shield(super().load(key))


class Clock(typing.Protocol):
    """The time of a request; who asks for the day alone says so."""

    @property
    def now(self) -> datetime:
        """The moment."""

    @property
    def today(self) -> date:
        """The day."""


class Loaders:
    """One set a request, or for all who are told the same. All of them read within one workspace, in one sitting."""

    def __init__(self, sitting: Sitting, workspace_id: int, clock: Clock) -> None:
        self.sitting = sitting
        self._workspace_id, self._clock = workspace_id, clock
        self._read: dict[Hashable, asyncio.Task[Any]] = {}
        self._waiting: Counter[Hashable] = Counter()
        self.kpis: DataLoader[int, Kpi | None] = self._loader(
            lambda session, ids: kpi_queries.kpis_by_id(session, workspace_id, ids)
        )
        self.histories: DataLoader[int, History | None] = self._loader(values.state_of)
        self.cohorts: DataLoader[values.Asked, Sums] = DataLoader(self._cohorts)
        self.segment_names: DataLoader[int, list[str] | None] = self._loader(values.segments_of)
        self.hypotheses: DataLoader[int, Hypothesis | None] = self._loader(
            lambda session, ids: kpi_queries.hypotheses_by_id(session, workspace_id, ids)
        )
        self.experiments: DataLoader[int, Experiment | None] = self._loader(
            lambda session, ids: experiment_queries.experiments_by_id(session, workspace_id, ids)
        )
        self.records: DataLoader[int, Record | None] = self._loader(analysis.records)
        self.jobs: DataLoader[int, Job | None] = self._loader(
            lambda session, ids: spool.jobs_by_id(session, workspace_id, ids)
        )
        self.rejections: DataLoader[int, Rejection | None] = self._loader(
            lambda session, ids: batches.rejections_by_id(session, workspace_id, ids)
        )
        self.learnings: DataLoader[int, Learning | None] = self._loader(
            lambda session, ids: library.learnings_by_id(session, workspace_id, ids)
        )
        self.learnings_of: DataLoader[tuple[int, Part], Page[Learning]] = DataLoader(
            self._pages(Learning, Learning.experiment_id)
        )
        self.alerts: DataLoader[int, Alert | None] = self._loader(
            lambda session, ids: alert_queries.alerts_by_id(session, workspace_id, ids)
        )
        self.alerts_of: DataLoader[tuple[int, Part], Page[Alert]] = DataLoader(self._pages(Alert, Alert.kpi_id))
        self.alert_rules: DataLoader[int, AlertRule | None] = self._loader(
            lambda session, ids: alert_queries.rules_by_id(session, workspace_id, ids)
        )
        self.alert_rules_of: DataLoader[int, list[AlertRule] | None] = self._loader(alert_queries.rules_of)
        self.annotations_of: DataLoader[int, list[Annotation] | None] = self._loader(alert_queries.annotations_of)
        self.hypotheses_of: DataLoader[tuple[int, Part], Page[Hypothesis]] = DataLoader(
            self._pages(Hypothesis, Hypothesis.kpi_id)
        )
        self.experiments_of: DataLoader[tuple[int, Part], Page[Experiment]] = DataLoader(
            self._pages(Experiment, Experiment.hypothesis_id)
        )
        self.experiments_on: DataLoader[tuple[int, Part], Page[Experiment]] = DataLoader(
            self._pages(Experiment, ExperimentKpi.kpi_id, via=experiment_queries.measures())
        )
        self.learning_versions: DataLoader[int, list[LearningVersion] | None] = self._loader(library.versions_of)
        self.protocols: DataLoader[int, Protocol | None] = self._loader(
            lambda session, ids: library.protocols_by_id(session, workspace_id, ids)
        )
        self.protocol_versions: DataLoader[int, list[ProtocolVersion] | None] = self._loader(
            library.protocol_versions_of
        )
        self.protocols_by_key: DataLoader[str, Protocol | None] = DataLoader(self._protocols_by_key(workspace_id))
        self.reviews: DataLoader[int, Review | None] = self._loader(
            lambda session, ids: review_queries.reviews_by_id(session, workspace_id, ids)
        )
        self.action_items: DataLoader[int, ActionItem | None] = self._loader(
            lambda session, ids: review_queries.items_by_id(session, workspace_id, ids)
        )
        self.steps: DataLoader[int, list[Step] | None] = self._loader(story.steps_of)
        self.amendments: DataLoader[int, list[Amendment] | None] = self._loader(story.amendments_of)
        self.published_looks: DataLoader[int, list[PublishedLook] | None] = self._loader(story.published_looks_of)
        self.decisions: DataLoader[int, list[Decision] | None] = self._loader(story.decisions_of)
        self.status_changes: DataLoader[int, list[StatusChange] | None] = self._loader(
            experiment_queries.status_changes_of
        )
        self.launch_checks: DataLoader[int, list[LaunchCheck] | None] = self._loader(
            lambda session, ids: _launch_checks(session, workspace_id, ids, clock)
        )
        self.definitions: DataLoader[int, Definition | None] = self._loader(kpi_queries.latest_definitions)
        self.all_baselines: DataLoader[int, list[Baseline] | None] = self._loader(kpi_queries.baselines_of)
        self.baselines: DataLoader[int, Baseline | None] = self._loader(kpi_queries.latest_baselines)
        self.targets: DataLoader[int, list[Target] | None] = self._loader(kpi_queries.targets_of)
        self.kpi_changes: DataLoader[int, list[KpiChange] | None] = self._loader(kpi_queries.changes_of)
        self.kpi_links: DataLoader[int, list[KpiLink] | None] = self._loader(
            lambda session, ids: kpi_queries.links_of(session, workspace_id, ids)
        )
        self.endpoints: DataLoader[int, Endpoint | None] = self._loader(
            lambda session, ids: delivery_queries.endpoints_by_id(session, workspace_id, ids)
        )
        self.deliveries: DataLoader[int, Delivery | None] = self._loader(
            lambda session, ids: delivery_queries.deliveries_by_id(session, workspace_id, ids)
        )
        self.members: DataLoader[int, Member | None] = self._loader(
            lambda session, ids: members.members_by_id(session, workspace_id, ids)
        )
        self.api_keys: DataLoader[int, ApiKey | None] = self._loader(
            lambda session, ids: keys.keys_by_id(session, workspace_id, ids)
        )
        self.notices: DataLoader[int, Notice | None] = self._loader(
            lambda session, ids: delivery_queries.notices_by_id(session, workspace_id, ids)
        )
        self.kpis_by_key: DataLoader[str, Kpi | None] = DataLoader(self._kpis_by_key(workspace_id))

    def _loader(self, fetch: Fetch[V]) -> DataLoader[int, V | None]:
        async def load(ids: list[int]) -> list[V | None]:
            async with self.sitting.read() as session:
                found = await fetch(session, ids)
            return [found.get(identity) for identity in ids]

        return DataLoader(load)

    def _pages(
        self, table: type[V], of: Any, via: Any = True
    ) -> Callable[[list[tuple[int, Part]]], Awaitable[list[Page[V]]]]:
        """Pages of the rows of owners; those that one document asks for are mostly the same part of each."""

        async def load(keys: list[tuple[int, Part]]) -> list[Page[V]]:
            found: dict[tuple[int, Part], Page[V]] = {}
            async with self.sitting.read() as session:
                for part in {part for _, part in keys}:
                    ids = [identity for identity, asked in keys if asked == part]
                    own = await pages(session, table, self._workspace_id, of, ids, part, via=via)
                    found |= {(identity, part): page for identity, page in own.items()}
            return [found[key] for key in keys]

        return load

    async def _cohorts(self, wanted: list[values.Asked]) -> list[Sums]:
        """The cohorts of KPIs, in whole columns: what several fields ask of one KPI is cut from one reading of it."""
        async with self.sitting.read() as session:
            found = await values.read(session, wanted)
        return [found[one] for one in wanted]

    def _kpis_by_key(self, workspace_id: int) -> Callable[[list[str]], Awaitable[list[Kpi | None]]]:
        async def load(keys: list[str]) -> list[Kpi | None]:
            async with self.sitting.read() as session:
                found = await kpi_queries.kpis_by_key(session, workspace_id, keys)
            return [found.get(key) for key in keys]

        return load

    def _protocols_by_key(self, workspace_id: int) -> Callable[[list[str]], Awaitable[list[Protocol | None]]]:
        async def load(keys: list[str]) -> list[Protocol | None]:
            async with self.sitting.read() as session:
                found = await library.protocols_by_key(session, workspace_id, keys)
            return [found.get(key) for key in keys]

        return load

    async def rehearsals(self, experiment: Experiment) -> list[Shown]:
        """What splits of past control units showed under the rules of a plan."""
        async with self.sitting.read() as session:
            return await rehearsals.of_plan(session, experiment)

    async def once(self, what: Hashable, read: Callable[[], Coroutine[Any, Any, V]]) -> V:
        """What is read or worked out once, however many ask for it; when all of them have left, it is given up."""
        if what not in self._read:
            self._read[what] = asyncio.create_task(read())
        task: asyncio.Task[V] = self._read[what]
        self._waiting[what] += 1
        try:
            return await asyncio.shield(task)
        finally:
            self._waiting[what] -= 1
            if not self._waiting[what] and not task.done():
                task.cancel()
                del self._read[what]

    async def results(self, experiment: Experiment, as_of: datetime | None) -> Results | None:
        """An experiment's results; None before its first refresh. A row that was read anew has results of its own."""
        return await self.once((experiment.id, id(experiment), as_of), lambda: self._read_results(experiment, as_of))

    async def _read_results(self, experiment: Experiment, as_of: datetime | None) -> Results | None:
        """What is written down of the experiments of a list is read for all of them at once."""
        record = await self.records.load(experiment.id)
        if record is None or record.refresh is None:
            return None
        async with self.sitting.read() as session:
            return await analysis.results(session, await driver(session), experiment, as_of, record)

    async def programme(self) -> Programme:
        """What the impact of changes is worked out from: read once a request, for it is all experiments."""
        return await self.once("programme", self._read_programme)

    async def ascent(self) -> Ascent:
        """What a change that is supposed would be carried over, up to revenue."""
        async with self.sitting.read() as session:
            return await changes.ascent(session, await driver(session), self._workspace_id, self._clock.today)

    async def _read_programme(self) -> Programme:
        async with self.sitting.read() as session:
            return await changes.read(session, await driver(session), self._workspace_id, self._clock.today)

    async def segment_effects(
        self, experiment: Experiment, kpi_id: int, shares: dict[str, float]
    ) -> list[tuple[float, float, float, float]] | None:
        """The effects of an experiment on segments, with their shares."""
        seen = await self.results(experiment, None)
        kpi = await self.kpis.load(kpi_id)
        shipped = changes.shipping(await self.decisions.load(experiment.id) or [])
        return None if seen is None or kpi is None else changes.segment_effects(seen, kpi, shipped, shares)

    async def evidence(self, hypothesis: Hypothesis) -> Evidence:
        """What the experiments on a hypothesis say together, in one read as well."""
        async with self.sitting.read() as session:
            return await weighing.evidence(session, await driver(session), hypothesis)


async def _launch_checks(
    session: AsyncSession, workspace_id: int, ids: list[int], clock: Clock
) -> dict[int, list[LaunchCheck]]:
    asked = (await experiment_queries.experiments_by_id(session, workspace_id, ids)).values()
    drafts = [one for one in asked if one.state is State.DRAFT]
    of_drafts = await launch_checks(session, drafts, clock.now) if drafts else {}
    return {one.id: of_drafts.get(one.id, []) for one in asked}
