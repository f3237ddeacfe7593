"""The company at work: it starts experiments, sends data, looks when it may, and does what the verdict says."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import numpy as np

from api.jobs.looks import publish_due
from api.jobs.refresh import refresh_due
from benchmarks.year import clock
from benchmarks.year.asking import DECISIONS, EVIDENCE, NEEDED, PUBLISHED, VERDICT, Desk, Refused
from benchmarks.year.cases import ENROL_DAYS, Case
from benchmarks.year.conclusions import Conclusion, Evidence, Reading
from benchmarks.year.measures import GUARDRAIL, MEASURES
from benchmarks.year.units import LATEST, Units, enrol
from experiments import exposures
from experiments.aggregation import warehouse
from experiments.inference.treatments import VerdictState
from kpi import events
from kpi.ingest import Report

BEGAN_AT = datetime(2025, 1, 1, tzinfo=UTC)
BASELINE_FROM, BASELINE_TO = "2024-10-01", "2024-12-31"
MORNING, NOON = timedelta(hours=6), timedelta(hours=12)
BATCH = 5_000
CHOICES = {VerdictState.SHIP: "SHIP", VerdictState.ROLL_BACK: "ROLL_BACK", VerdictState.INVALID: "ITERATE"}
"""What the company decides on a verdict; on any other it abandons the change."""
AT_ONCE = 4
"""Experiments that are sent, read or decided at the same time."""
Ingest = Callable[..., Awaitable[Report]]


@dataclass(kw_only=True, eq=False)
class Run:
    """An experiment that has started, and how far its company has come with it."""

    case: Case
    identity: str
    units: Units
    sent: dict[tuple[Any, ...], dict[str, Any]] = field(default_factory=dict)
    sent_until: int = 0
    stopped: int | None = None
    reading: Reading | None = None

    @property
    def began_at(self) -> datetime:
        """Midnight of the day it started."""
        return BEGAN_AT + timedelta(days=self.case.day)

    @property
    def decides(self) -> int | None:
        """The day after the start on which it is decided: when late data are in, too."""
        return None if self.stopped is None else self.stopped + 1 + (int(LATEST) if self.case.is_late else 0)

    def is_read(self, day: int) -> bool:
        """Whether somebody looks on this day of the year."""
        return self.stopped is None and day - self.case.day in self.case.reads

    def is_decided(self, day: int) -> bool:
        """Whether it is decided on this day of the year."""
        return day - self.case.day == self.decides

    def news(self, day: int) -> Iterator[dict[str, Any]]:
        """The aggregates that say something else than what was sent before; after a stop, of days before it."""
        final = day if self.stopped is None else self.stopped
        for row in self.units.cells(final, day, self.began_at):
            place = (row["variant"], row["enteredOn"], row.get("kpi"), row.get("day"))
            if self.sent.get(place) != row:
                self.sent[place] = row
                yield row


@dataclass(kw_only=True, eq=False)
class Company:
    """One year. `draw` is for the units; the experiments have been drawn."""

    desk: Desk
    draw: np.random.Generator
    tell: Callable[[str], None]
    running: list[Run] = field(default_factory=list)
    concluded: list[Conclusion] = field(default_factory=list)

    async def live(self, cases: Iterable[Case]) -> list[Conclusion]:
        """Walk through the year, day by day, until every experiment is decided."""
        await self._register()
        waiting = sorted(cases, key=lambda case: case.day)
        day = 0
        while waiting or self.running:
            while waiting and waiting[0].day == day:
                self.running.append(await self._start(waiting.pop(0)))
            await self._spend(day)
            day += 1
        return sorted(self.concluded, key=lambda one: one.case.number)

    async def _spend(self, day: int) -> None:
        """One day: enrolments end at midnight, data come in the morning, and people look and decide at noon."""
        midnight = BEGAN_AT + timedelta(days=day)
        for run in self.running:
            if run.stopped is None and day == run.case.day + ENROL_DAYS:
                await self.desk.move("Freeze", midnight, id=run.identity)
        read = [run for run in self.running if run.is_read(day)]
        due = [run for run in self.running if run.is_decided(day)]
        if not read and not due:
            return
        await clock.turn(self.desk.database, midnight + MORNING)
        await _each((*read, *due), lambda run: self._send(run, day - run.case.day, midnight + MORNING))
        await refresh_due(self.desk.database)
        await publish_due(self.desk.database)
        await _each(read, lambda run: self._read(run, day - run.case.day, midnight + NOON))
        await _each(due, lambda run: self._decide(run, midnight + NOON))
        self.running = [run for run in self.running if run not in due]
        if due:
            self.tell(f"day {day}: {len(self.running)} running, {len(self.concluded)} decided")

    async def _register(self) -> None:
        for measure in (*MEASURES, GUARDRAIL):
            await self.desk.register("Kpi", measure.registration(BASELINE_FROM, BASELINE_TO), BEGAN_AT)
            change = "INCREASE" if measure.sign > 0 else "DECREASE"
            hypothesis = {
                "key": f"better-{measure.key}",
                "title": f"We can better {measure.key}",
                "change": "Many things",
                "kpi": measure.key,
                "direction": change,
                "rationale": "It has been better elsewhere.",
                "owner": "Ada",
            }
            await self.desk.register("Hypothesis", hypothesis, BEGAN_AT)

    async def _start(self, case: Case) -> Run:
        now = BEGAN_AT + timedelta(days=case.day)
        identity = await self.desk.register("Experiment", case.registration, now)
        await self.desk.move("Start", now, id=identity)
        needed = (await self.desk.ask(NEEDED, {"id": identity}, now))["plan"]["neededUnits"]
        return Run(case=case, identity=identity, units=enrol(case, needed, self.draw))

    async def _send(self, run: Run, day: int, now: datetime) -> None:
        """What has come in since the last time, as rows or summed up."""
        if not run.case.has_rows:
            await self._take_in(warehouse.ingest, run.news(day), now)
            return
        if run.stopped is None:
            await self._take_in(exposures.ingest, run.units.exposures(run.sent_until, day, run.began_at), now)
        await self._take_in(events.ingest, run.units.outcomes(run.sent_until, day, run.began_at), now)
        run.sent_until = day

    async def _take_in(self, ingest: Ingest, rows: Iterator[dict[str, Any]], now: datetime) -> None:
        while batch := list(islice(rows, BATCH)):
            async with self.desk.database.raw() as connection:
                workspace = self.desk.caller.workspace_id
                report = await ingest(connection, workspace_id=workspace, rows=batch, now=now)
            if report.refusals:
                raise Refused(f"{batch[report.refusals[0].index]}: {report.refusals[0].message}")

    async def _read(self, run: Run, day: int, now: datetime) -> None:
        """Look at the verdict, and stop where it says something."""
        results = (await self.desk.ask(VERDICT, {"id": run.identity}, now))["results"]
        if not results["isPlanSealedBeforeData"] or not results["dataThrough"].startswith(now.date().isoformat()):
            raise Refused(f"{run.case.key} is read at other data than were sent: {results}")
        reading = Reading.of(day, results["verdict"])
        if day in run.case.looks:
            await self._compare(run, reading, now)
        if reading.state is not VerdictState.KEEP_RUNNING:
            await self.desk.move("Stop", now, id=run.identity)
            run.stopped, run.reading = day, reading
        elif day == run.case.horizon:
            raise Refused(f"{run.case.key} has had its last look, and is to run on")

    async def _compare(self, run: Run, reading: Reading, now: datetime) -> None:
        """Raise unless a planned look has been published as it was read."""
        published = (await self.desk.ask(PUBLISHED, {"id": run.identity}, now))["publishedLooks"]
        told = {look["plannedOn"]: look["verdict"] for look in published}
        if told.get(now.date().isoformat()) != reading.state:
            raise Refused(f"{run.case.key}: published {told}, read {reading}")

    async def _decide(self, run: Run, now: datetime) -> None:
        """Do what the verdict said on the day of the stop, and keep what is known by now."""
        reading = run.reading
        if reading is None:
            raise Refused(f"{run.case.key} was stopped without a reading")
        found = (await self.desk.ask(EVIDENCE, {"id": run.identity}, now))["results"]["findings"]
        evidence = tuple(Evidence.of(finding) for finding in found if finding["role"] == "PRIMARY")
        shipped = reading.variant if reading.state is VerdictState.SHIP else None
        variant = {} if shipped is None else {"variant": shipped}
        reason = f"The verdict of day {reading.day}"
        await self.desk.move(
            "Decide", now, id=run.identity, choice=CHOICES.get(reading.state, "ABANDON"), reason=reason, **variant
        )
        (decision,) = (await self.desk.ask(DECISIONS, {"id": run.identity}, now))["decisions"]
        self.concluded.append(
            Conclusion(
                case=run.case,
                reading=reading,
                shipped=None if shipped is None else run.case.variants[1:].index(shipped),
                evidence=evidence,
                units=run.units.entered.size,
                has_changed=_after_all(decision["verdict"]) != _after_all(reading.state),
            )
        )


async def _each(runs: Iterable[Run], act: Callable[[Run], Awaitable[None]]) -> None:
    permits = asyncio.Semaphore(AT_ONCE)

    async def one(run: Run) -> None:
        async with permits:
            await act(run)

    await asyncio.gather(*map(one, runs))


def _after_all(verdict: str) -> str:
    """A test that was stopped as futile has ended without an answer: that is no other verdict."""
    return VerdictState.INCONCLUSIVE if verdict == VerdictState.STOP_FUTILE else verdict
