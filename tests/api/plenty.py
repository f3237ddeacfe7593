"""Some rows of everything that lists show, many of them alike and many without a value."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any
from uuid import uuid4

from sqlmodel.ext.asyncio.session import AsyncSession

from api.auth.tables import ApiKey, Member, MemberState
from api.auth.tables import Role as MemberRole
from api.delivery.tables import Delivery, DeliveryState, Endpoint, EndpointKind
from api.jobs.tables import Job, JobState, Noun
from api.trail.tables import AuditEntry
from experiments.enums import Kind, State
from experiments.programme.reviews.enums import ItemState, ReviewKind, ReviewState
from experiments.programme.reviews.tables import ActionItem, Review
from experiments.tables import Experiment, Learning, Protocol
from kpi import tables
from kpi.alerts.tables import Alert, AlertRule
from kpi.enums import (
    AlertKind,
    AlertState,
    Change,
    Direction,
    Driver,
    Frequency,
    Granularity,
    NoticeType,
    Severity,
    Tier,
    Unit,
)
from kpi.ingest import Fault

DAY = datetime(2026, 6, 1, tzinfo=UTC)
N = 9
"""Rows of each list."""
Row = Any
ENABLED: Sequence[dict[str, Any]] = (
    {"is_enabled": True, "disabled_reason": None},
    {"is_enabled": False, "disabled_reason": "r"},
)
Add = Callable[[str, Callable[[int], Row]], Awaitable[list[Row]]]


class Draw(Random):
    """What differs from row to row, and what all rows have."""

    of: dict[str, Any]


def _at(draw: Draw, *, or_none: bool = False) -> Any:
    return None if or_none and draw.random() < 0.4 else DAY + timedelta(days=draw.randrange(3))


def _name(draw: Draw) -> str:
    return "".join(draw.choice("aAbB_%") for _ in range(draw.randrange(1, 3)))


async def fill(session: AsyncSession, workspace_id: int) -> dict[str, list[Row]]:
    """Some rows of every list, by the name of the list; the same each time."""
    draw = Draw(2026)
    draw.of = {"workspace_id": workspace_id}
    found: dict[str, list[Row]] = {}

    async def add(name: str, make: Callable[[int], Row]) -> list[Row]:
        found[name] = [make(place) for place in range(N)]
        for row in found[name]:
            session.add(row)
            await session.flush()
        return found[name]

    await _fill(add, draw)
    return found


async def _fill(add: Add, draw: Draw) -> None:
    def some(values: Any) -> Any:
        return draw.choice([*values])

    kpis = await add(
        "kpis",
        lambda n: tables.Kpi(
            **draw.of,
            key=f"{_name(draw)}{n}",
            name=_name(draw),
            description="",
            unit=some(Unit),
            direction=some(Direction),
            tier=some(Tier),
            is_leading=some([True, False]),
            driver=some(Driver),
            owner=some(["Ada", "bob"]),
            data_source="",
            frequency=Frequency.WEEKLY,
            action="",
            created_at=_at(draw),
        ),
    )
    hypotheses = await add(
        "hypotheses",
        lambda n: tables.Hypothesis(
            **draw.of,
            key=f"{_name(draw)}{n}",
            title=_name(draw),
            change="",
            kpi_id=kpis[n % 3].id,
            direction=some(Change),
            expected_lift=some([None, -0.1, 0.05, 0.2]),
            segment=some([None, "plan=pro"]),
            rationale="",
            owner=some(["Ada", "bob"]),
            created_at=_at(draw),
        ),
    )
    experiments = await add("experiments", lambda n: _experiment(n, draw, kpis, hypotheses))
    await add(
        "learnings",
        lambda n: Learning(
            **draw.of,
            experiment_id=experiments[n % 3].id,
            conclusion=_name(draw),
            learned=some([None, "aB"]),
            tags=draw.sample(["a", "A", "b"], draw.randrange(3)),
            links=[],
            by=some(["Ada", "bob"]),
            recorded_at=_at(draw),
            **some([{}, {"updated_at": _at(draw), "updated_by": "Ada"}]),
        ),
    )
    await add("protocols", lambda n: Protocol(**draw.of, key=f"{_name(draw)}{n}", created_at=_at(draw)))
    await _fill_alerts(add, draw, kpis)
    reviews = await add("reviews", lambda n: _review(n, draw))
    await add("actionItems", lambda _: _item(draw, reviews, kpis, experiments))
    await add("jobs", lambda _: _job(draw, experiments))
    await add(
        "rejections",
        lambda _: tables.Rejection(
            **draw.of,
            noun=some(Noun).value,
            code=some([*Fault][:4]).value,
            message="",
            path=some(["unit", "row"]),
            row=_name(draw),
            received_at=_at(draw),
            is_whole=some([True, False]),
            is_lax=False,
        ),
    )
    await add(
        "auditLog",
        lambda n: AuditEntry(
            **draw.of,
            id=n + 1,
            done_at=DAY + timedelta(hours=n),
            actor=some(["Ada", "bob"]),
            key="k",
            action=some(["kpiUpdate", "kpiRegister"]),
            **some([{"node_type": None, "node_id": None}, *({"node_type": "Kpi", "node_id": one} for one in "12")]),
            details={},
            request_id=some([None, "r1"]),
            previous_hash="",
            hash="",
        ),
    )
    await _fill_deliveries(add, draw)
    await add(
        "members",
        lambda n: Member(
            **draw.of,
            email=f"{_name(draw)}{n}@example.org",
            name=_name(draw),
            role=some(MemberRole),
            state=some(MemberState),
            invited_by="",
            created_at=_at(draw),
            last_seen_at=_at(draw, or_none=True),
        ),
    )
    await add(
        "apiKeys",
        lambda _: ApiKey(
            **draw.of,
            public_id=uuid4().hex,
            name=_name(draw),
            scopes=draw.sample(["read", "edit", "admin"], draw.randrange(3)),
            secret_hash=b"",
            created_by=some([None, "Ada"]),
            created_at=_at(draw),
            expires_at=_at(draw, or_none=True),
            last_used_at=_at(draw, or_none=True),
            revoked_at=_at(draw, or_none=True),
        ),
    )


def _experiment(n: int, draw: Draw, kpis: Sequence[Row], hypotheses: Sequence[Row]) -> Experiment:
    started = _at(draw, or_none=True)
    is_over = started is not None and draw.random() < 0.5
    sealed: dict[str, Any] = {} if started is None else {"plan_hash": "0", "plan_json": "{}", "sealed_at": started}
    ended = {"frozen_at": started, "stopped_at": started + timedelta(days=draw.randrange(2))} if is_over else {}
    return Experiment(
        **draw.of,
        **sealed,
        **ended,
        key=f"{_name(draw)}{n}",
        name=_name(draw),
        hypothesis_id=hypotheses[n % 3].id,
        kind=draw.choice([*Kind]),
        unit=draw.choice([*Unit]),
        owner=draw.choice(["Ada", "bob"]),
        state=State.DRAFT if started is None else State.STOPPED if is_over else State.RUNNING,
        plan={"kpis": [{"kpi": one.key} for one in draw.sample(kpis[:4], 2)]},
        started_at=started,
        created_at=_at(draw),
    )


async def _fill_alerts(add: Add, draw: Draw, kpis: Sequence[Row]) -> None:
    rules = await add(
        "rules",
        lambda n: AlertRule(
            **draw.of,
            segment="",
            granularity=Granularity.WEEK,
            kpi_id=kpis[n % 3].id,
            kind=AlertKind.TREND,
            parameters={},
            severity=Severity.INFO,
            is_enabled=True,
            cooldown_days=0,
            created_by="",
            created_at=DAY,
        ),
    )

    def alert(n: int) -> Alert:
        state = draw.choice([*AlertState])
        return Alert(
            **draw.of,
            kpi_id=rules[n].kpi_id,
            rule_id=rules[n].id,
            state=state,
            kind=draw.choice([*AlertKind]),
            severity=draw.choice([*Severity]),
            segment=draw.choice(["", "plan=pro"]),
            granularity=Granularity.WEEK,
            start_on=_at(draw).date(),
            end_on=DAY.date(),
            value=0,
            limit=0,
            sentence="",
            evidence={},
            raised_at=_at(draw),
            resolved_at=_at(draw) if state is AlertState.RESOLVED else None,
        )

    await add("alerts", alert)


def _review(n: int, draw: Draw) -> Review:
    closed = _at(draw, or_none=True)
    said = {"snapshot": {}, "snapshot_json": "{}", "snapshot_hash": "h", "closed_by": "b", "closed_at": closed}
    return Review(
        **draw.of,
        **(said if closed else {}),
        kind=[*ReviewKind][n % 3],
        from_on=date(2026, 1 + n // 3, 1),
        to_on=date(2026, 6, draw.randrange(1, 4)),
        state=ReviewState.CLOSED if closed else ReviewState.DRAFT,
        notes="",
        agenda="",
        decisions="",
        created_by="",
        created_at=_at(draw),
    )


def _item(draw: Draw, reviews: Sequence[Row], kpis: Sequence[Row], experiments: Sequence[Row]) -> ActionItem:
    state = draw.choice([*ItemState])
    about: dict[str, Any] = draw.choice(
        [{}, {"kpi_id": draw.choice(kpis).id}, {"experiment_id": draw.choice(experiments).id}]
    )
    due = _at(draw, or_none=True)
    return ActionItem(
        **draw.of,
        **about,
        review_id=draw.choice(reviews).id,
        text=_name(draw),
        owner=_name(draw),
        due_on=due and due.date(),
        state=state,
        done_at=_at(draw) if state is ItemState.DONE else None,
        created_by="",
        created_at=_at(draw),
    )


def _job(draw: Draw, experiments: Sequence[Row]) -> Job:
    state = draw.choice([*JobState])
    over = state in {JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED}
    what: dict[str, Any] = draw.choice([{"noun": Noun.TRAITS}, {"experiment_id": draw.choice(experiments).id}])
    return Job(
        **draw.of,
        **what,
        state=state,
        parameters={},
        created_at=_at(draw),
        touched_at=DAY,
        started_at=_at(draw, or_none=True),
        ended_at=_at(draw) if over else None,
    )


async def _fill_deliveries(add: Add, draw: Draw) -> None:
    endpoints = await add(
        "endpoints",
        lambda n: Endpoint(
            **draw.of,
            kind=draw.choice([*EndpointKind]),
            address=f"https://example.org/{n}",
            types=None,
            **ENABLED[n % 2],
            salt=b"",
            old_salt=None,
            rotated_at=None,
            created_by="",
            created_at=_at(draw),
        ),
    )
    notices = await add(
        "notices",
        lambda _: tables.Notice(
            **draw.of, key=uuid4(), type=NoticeType.KPI_CHANGED, data={}, is_pending=False, created_at=DAY
        ),
    )

    def delivery(n: int) -> Delivery:
        state = draw.choice([*DeliveryState])
        return Delivery(
            **draw.of,
            notice_id=notices[n].id,
            endpoint_id=draw.choice(endpoints[:3]).id,
            state=state,
            attempts=1,
            next_at=DAY if state is DeliveryState.WAITING else None,
            attempted_at=_at(draw, or_none=True),
            fault=draw.choice([None, "no answer"]),
            delivered_at=_at(draw) if state is DeliveryState.DELIVERED else None,
            created_at=_at(draw),
        )

    await add("deliveries", delivery)
