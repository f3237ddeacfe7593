"""Every list that takes an order and a filter, held against all of its rows as Python orders and narrows them.

The rows are made once. Many are alike, and many have no value, so that orders have to tell them apart by their age.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import Enum
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from graphql import GraphQLEnumType, GraphQLField, GraphQLInputObjectType, get_named_type
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.dialects.postgresql import asyncpg
from sqlmodel import SQLModel, select

from api.auth.keys import Caller, Scope
from api.auth.tables import ApiKey, Member
from api.auth.tenants import ensure_workspace
from api.database import Database, driver
from api.delivery.tables import Delivery, Endpoint
from api.graphql.context import Context
from api.graphql.nodes import global_id
from api.graphql.orders import Ordering
from api.graphql.schema import schema
from api.jobs.tables import Job, Noun
from api.trail.tables import AuditEntry
from experiments.programme.reviews.tables import ActionItem, Review
from experiments.tables import Experiment, Learning, Protocol
from kpi import tables
from kpi.alerts.tables import Alert
from kpi.enums import (
    AlertState,
)
from kpi.ingest import Fault
from tests.api.databases import migrated, url_of
from tests.api.plenty import DAY, N, Row, fill
from tests.api.test_schema import OWN, fields, named
from tests.api.test_schema_rules import RANKED

Get = Callable[[Row], Any]


def attribute(name: str) -> Get:
    return lambda row: getattr(row, name)


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A list: where it is asked for, which rows it has, and what its orders and filters are of, in words of Python."""

    noun: str
    table: type[SQLModel]
    orders: Mapping[str, str]
    filters: Mapping[str, Get]
    related: Mapping[str, tuple[str, str]]
    field: str
    owner: str | None = None
    has: Callable[[Row, Row], bool] = lambda _, __: True
    id: str = "id"


def of(field: str, table: type[SQLModel], orders: str, filters: str, related: str = "", **others: Any) -> Listed:
    """A list whose orders and filters are named for attributes, but for those that are said."""
    said: dict[str, Get] = others.pop("said", {})
    noun = table.__name__
    named_so = {name: attribute(_snake(name)) for name in filters.split() if name not in said}
    pairs = (part.split(":") for part in related.split())
    return Listed(
        field=field,
        noun=noun,
        table=table,
        orders={name: name.lower() for name in orders.split()},
        filters=named_so | said,
        related={name: (target, f"{name}_id") for name, target in pairs},
        **others,
    )


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


KPI_ORDERS = "CREATED_AT KEY NAME OWNER TIER"
HYPOTHESIS = ("CREATED_AT KEY TITLE OWNER EXPECTED_LIFT", "key title owner direction segment createdAt", "kpi:kpis")
EXPERIMENT = (
    "CREATED_AT STARTED_AT STOPPED_AT KEY NAME OWNER STATE",
    "key name owner kind unit state createdAt startedAt stoppedAt",
    "hypothesis:hypotheses",
)
LEARNING = ("RECORDED_AT UPDATED_AT", "conclusion learned tags by recordedAt updatedAt", "experiment:experiments")
ALERT = ("RAISED_AT SEVERITY", "state isOpen kind severity segment startOn raisedAt resolvedAt", "kpi:kpis")
OPEN = {"isOpen": lambda row: row.state is not AlertState.RESOLVED}
LISTS = {
    "Query.kpis": of("kpis", tables.Kpi, KPI_ORDERS, "key name owner unit direction tier driver isLeading createdAt"),
    "Query.hypotheses": of("hypotheses", tables.Hypothesis, *HYPOTHESIS),
    "Query.experiments": of("experiments", Experiment, *EXPERIMENT),
    "Query.learnings": of("learnings", Learning, *LEARNING),
    "Query.protocols": of("protocols", Protocol, "CREATED_AT KEY", "key createdAt"),
    "Query.alerts": of("alerts", Alert, *ALERT, said=OPEN),
    "Query.reviews": of("reviews", Review, "CREATED_AT FROM_ON CLOSED_AT", "kind state fromOn toOn createdAt closedAt"),
    "Query.actionItems": of(
        "actionItems",
        ActionItem,
        "CREATED_AT DUE_ON DONE_AT OWNER",
        "text owner state dueOn createdAt doneAt",
        "review:reviews kpi:kpis experiment:experiments",
    ),
    "Query.jobs": of(
        "jobs",
        Job,
        "CREATED_AT STARTED_AT ENDED_AT STATE",
        "noun state createdAt startedAt endedAt",
        "experiment:experiments",
    ),
    "Query.rejections": of(
        "rejections",
        tables.Rejection,
        "RECEIVED_AT CODE",
        "noun code path row isReplayable receivedAt",
        said={
            "noun": lambda row: Noun(row.noun),
            "code": lambda row: Fault(row.code),
            "isReplayable": attribute("is_whole"),
        },
    ),
    "Query.auditLog": of(
        "auditLog",
        AuditEntry,
        "NUMBER",
        "action actor key node request doneAt",
        said={
            "node": lambda row: global_id(row.node_type, int(row.node_id)) if row.node_type else None,
            "request": attribute("request_id"),
        },
        id="number",
    ),
    "Query.endpoints": of(
        "endpoints",
        Endpoint,
        "CREATED_AT KIND",
        "id kind isEnabled createdAt",
        said={"id": lambda row: global_id("Endpoint", row.id)},
    ),
    "Query.deliveries": of(
        "deliveries",
        Delivery,
        "CREATED_AT",
        "state fault createdAt attemptedAt deliveredAt",
        "endpoint:endpoints",
    ),
    "Query.members": of(
        "members", Member, "CREATED_AT NAME EMAIL ROLE LAST_SEEN_AT", "name email role state createdAt lastSeenAt"
    ),
    "Query.apiKeys": of(
        "apiKeys",
        ApiKey,
        "CREATED_AT NAME EXPIRES_AT LAST_USED_AT",
        "name scopes createdBy isRevoked createdAt expiresAt lastUsedAt",
        said={"isRevoked": lambda row: row.revoked_at is not None},
    ),
    "Kpi.alerts": of("alerts", Alert, *ALERT, said=OPEN, owner="kpi", has=lambda kpi, row: row.kpi_id == kpi.id),
    "Kpi.hypotheses": of(
        "hypotheses", tables.Hypothesis, *HYPOTHESIS, owner="kpi", has=lambda kpi, row: row.kpi_id == kpi.id
    ),
    "Kpi.experiments": of(
        "experiments",
        Experiment,
        *EXPERIMENT,
        owner="kpi",
        has=lambda kpi, row: kpi.key in {one["kpi"] for one in row.plan["kpis"]},
    ),
    "Hypothesis.experiments": of(
        "experiments",
        Experiment,
        *EXPERIMENT,
        owner="hypothesis",
        has=lambda hypothesis, row: row.hypothesis_id == hypothesis.id,
    ),
    "Experiment.learnings": of(
        "learnings", Learning, *LEARNING, owner="experiment", has=lambda one, row: row.experiment_id == one.id
    ),
}
OWNERS = {"kpi": "kpis", "hypothesis": "hypotheses", "experiment": "experiments"}


class Company:
    """A workspace with some rows of everything, and what its lists say of them."""

    def __init__(self, database: Database, caller: Caller) -> None:
        self.database, self.caller = database, caller
        self.rows: dict[str, list[Row]] = {}

    def of(self, path: str) -> tuple[list[Row], dict[str, str]]:
        """The rows that a list has in all, and the variables that say whose."""
        one = LISTS[path]
        rows = self.rows[_root(one.table)]
        if one.owner is None:
            return rows, {}
        owner = self.rows[OWNERS[one.owner]][1]
        return [row for row in rows if one.has(owner, row)], {"owner": owner.key}

    async def ask(self, document: str, variables: Mapping[str, Any]) -> tuple[Any, list[Any]]:
        """What a document is answered, with its errors."""
        context = Context(database=self.database, caller=self.caller)
        result = await schema.execute(document, dict(variables), context)
        return result.data, [error.formatted for error in result.errors or []]

    async def page(self, path: str, **variables: Any) -> Any:
        """A page of a list."""
        one, (_, whose) = LISTS[path], self.of(path)
        inside = (
            f"{one.field}(first: $first, after: $after, last: $last, before: $before, orderBy: $order, filter: $filter)"
            f" {{ nodes {{ {one.id} }} totalCount pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }}"
        )
        owned = f"{one.owner}(key: $owner) {{ {inside} }}" if one.owner else inside
        whom = "$owner: String!, " if one.owner else ""
        document = (
            f"query L({whom}$first: Int, $after: String, $last: Int, $before: String, $order: {one.noun}Order,"
            f" $filter: {one.noun}Filter) {{ {owned} }}"
        )
        data, errors = await self.ask(document, variables | whose)
        if errors:
            return errors
        return (data[one.owner] if one.owner else data)[one.field]


def _root(table: type[SQLModel]) -> str:
    return next(one.field for path, one in LISTS.items() if path.startswith("Query.") and one.table is table)


def node(one: Listed, row: Row) -> Any:
    """What a page calls a row by."""
    return row.id if one.id == "number" else global_id(one.noun, row.id)


@pytest_asyncio.fixture(scope="module")
async def company(database_url: str) -> AsyncIterator[Company]:
    """A workspace with some rows of everything, in a database of its own: jobs are among them that nobody can do."""
    database = Database(url_of(database_url, await migrated(database_url)))
    async with database.write() as session:
        workspace = await ensure_workspace(session, f"lists-{uuid4().hex[:12]}", DAY)
        caller = Caller(
            workspace_id=workspace.id, workspace=workspace.key, key_name="k", public_id="k", scopes=frozenset(Scope)
        )
        company = Company(database, caller)
        company.rows = await fill(session, workspace.id)
    yield company
    await database.close()


def in_order(one: Listed, rows: Sequence[Row], field: str, way: str) -> list[Row]:
    """Rows as they must stand: by the column, then by id; without a value last."""

    def place(row: Row) -> tuple[Any, int]:
        value = row.id if field == "NUMBER" else getattr(row, one.orders[field])
        if isinstance(value, Enum):
            value = [*type(value)].index(value)
        return value.lower() if isinstance(value, str) else value, row.id

    known = sorted((row for row in rows if place(row)[0] is not None), key=place)
    unknown = sorted((row for row in rows if place(row)[0] is None), key=lambda row: row.id)
    return [row for part in (known, unknown) for row in (part if way == "ASC" else reversed(part))]


def meets(company: Company, path: str, row: Row, asked: Mapping[str, Any]) -> bool:
    """Whether a row is one that a filter means."""
    one = LISTS[path]
    for name, said in asked.items():
        if name == "and":
            holds = all(meets(company, path, row, part) for part in said)
        elif name == "or":
            holds = any(meets(company, path, row, part) for part in said)
        elif name in one.related:
            target, column = one.related[name]
            theirs = [other for other in company.rows[target] if other.id == getattr(row, column)]
            holds = any(meets(company, f"Query.{target}", other, said) for other in theirs)
        else:
            value = one.filters[name](row)
            holds = value is said if isinstance(said, bool) else all(compares(value, *pair) for pair in said.items())
        if not holds:
            return False
    return True


def compares(value: Any, how: str, than: Any) -> bool:
    """Whether a value is as a comparator says; what has none is nothing."""
    if value is None:
        return False
    if how in ("gte", "lt"):
        at = (datetime if isinstance(value, datetime) else date).fromisoformat(than)
        return bool(value >= at if how == "gte" else value < at)
    among = than if how == "in" else [than]
    if isinstance(value, list):
        return any(text in value for text in among)
    if isinstance(value, Enum):
        return value.name in among
    return than.lower() in value.lower() if how == "contains" else value in among


def comparisons(path: str, rows: Sequence[Row]) -> dict[str, st.SearchStrategy[Any]]:
    """What each field of a list's filter may be compared with, drawn from what the rows have."""
    found = OWN[f"{LISTS[path].noun}Filter"]
    assert isinstance(found, GraphQLInputObjectType)
    return {
        name: comparison(named(found.fields[name]), [get(row) for row in rows])
        for name, get in LISTS[path].filters.items()
    }


def comparison(kind: str, values: Sequence[Any]) -> st.SearchStrategy[Any]:
    """A comparator of a kind."""
    if kind == "Boolean":
        return st.booleans()
    flat = [one for value in values for one in (value if isinstance(value, list) else [value]) if one is not None]
    if kind in ("DateTimeComparator", "DateComparator"):
        ends = st.sampled_from(sorted({value.isoformat() for value in flat}) or ["2026-06-01T00:00:00Z"])
        return st.fixed_dictionaries({}, optional={"gte": ends, "lt": ends})
    known = sorted({one.name if isinstance(one, Enum) else one for one in flat})
    if kind not in ("StringComparator", "ElementComparator", "IdComparator"):
        enum = OWN[kind.removesuffix("Comparator")]
        assert isinstance(enum, GraphQLEnumType)
        known = sorted(enum.values)
    values_of = st.sampled_from(known + (["none of them"] if kind.startswith(("S", "El", "Id")) else []))
    how: dict[str, st.SearchStrategy[Any]] = {"eq": values_of, "in": st.lists(values_of, max_size=3)}
    if kind == "StringComparator":
        how["contains"] = st.sampled_from([*"aB%_", *(text[:2] for text in known)])
    return st.fixed_dictionaries({}, optional=how)


def filters(company: Company, path: str, deeper: int = 1) -> st.SearchStrategy[dict[str, Any]]:
    """Filters of a list, with others inside them and of what its rows belong to."""
    rows = company.rows[_root(LISTS[path].table)]
    optional = comparisons(path, rows)
    if deeper:
        inside = st.lists(filters(company, path, deeper - 1), max_size=2)
        optional |= {"and": inside, "or": inside}
        related = LISTS[path].related.items()
        optional |= {name: filters(company, f"Query.{target}", deeper - 1) for name, (target, _) in related}
    # Few at a time, for of many that must all hold nothing is left.
    return st.lists(st.sampled_from(sorted(optional)), max_size=2, unique=True).flatmap(
        lambda names: st.fixed_dictionaries({name: optional[name] for name in names})
    )


def test_every_list_with_an_order_and_a_filter_is_held_against_python_with_all_it_takes() -> None:
    lists = {path: field for path, field in fields() if named(field).endswith("Connection")}
    assert set(LISTS) == set(lists) - RANKED
    for path, one in LISTS.items():
        field = lists[path]
        assert isinstance(field, GraphQLField)
        order, narrowed = OWN[f"{one.noun}OrderField"], get_named_type(field.args["filter"].type)
        assert isinstance(order, GraphQLEnumType)
        assert isinstance(narrowed, GraphQLInputObjectType)
        assert set(order.values) == set(one.orders), path
        assert set(narrowed.fields) == {*one.filters, *one.related, "and", "or"}, path


@pytest.mark.parametrize("path", LISTS)
async def test_list_stands_in_each_of_its_orders_as_python_sorts_it(company: Company, path: str) -> None:
    """Whole, in both directions, and without one as the description of the argument says."""
    one, (rows, _) = LISTS[path], company.of(path)
    default = next(iter(one.orders))
    for order in (None, *({"field": field, "direction": way} for field in one.orders for way in ("ASC", "DESC"))):
        found = await company.page(path, first=100, order=order)
        said = order or {"field": default, "direction": "DESC"}
        expected = in_order(one, rows, said["field"], said["direction"])
        assert [row[one.id] for row in found["nodes"]] == [node(one, row) for row in expected]
        assert found["totalCount"] == len(rows)


@settings(deadline=None, max_examples=40)
@given(data=st.data())
async def test_pages_of_any_list_order_filter_and_size_hold_each_row_once_as_python_finds_them(
    company: Company, data: st.DataObject
) -> None:
    path = data.draw(st.sampled_from(sorted(LISTS)))
    one, (rows, _) = LISTS[path], company.of(path)
    asked = data.draw(filters(company, path))
    field, way = data.draw(st.sampled_from(sorted(one.orders))), data.draw(st.sampled_from(["ASC", "DESC"]))
    size, backwards = data.draw(st.integers(2, N)), data.draw(st.booleans())
    meant = [row for row in rows if meets(company, path, row, asked)]
    expected = [node(one, row) for row in in_order(one, meant, field, way)]
    many, end, edge, more = (
        ("last", "before", "startCursor", "hasPreviousPage")
        if backwards
        else ("first", "after", "endCursor", "hasNextPage")
    )
    seen: list[Any] = []
    cursor, is_more = None, True
    while is_more:
        order = {"field": field, "direction": way}
        found = await company.page(path, filter=asked, order=order, **{many: size, end: cursor})
        assert found["totalCount"] == len(expected)
        keys = [row[one.id] for row in found["nodes"]]
        seen = keys + seen if backwards else seen + keys
        assert len(seen) <= len(expected)
        cursor, is_more = found["pageInfo"][edge], found["pageInfo"][more]
        assert len(keys) == size or not is_more
    assert seen == expected


@pytest.mark.parametrize("path", LISTS)
async def test_cursor_of_another_order_of_any_list_is_bad_input(company: Company, path: str) -> None:
    one = LISTS[path]
    field = next(iter(one.orders))
    found = await company.page(path, first=1, order={"field": field, "direction": "ASC"})
    cursor = found["pageInfo"]["endCursor"]
    for other in one.orders:
        (error,) = await company.page(path, after=cursor, order={"field": other, "direction": "DESC"})
        assert (error["extensions"]["code"], "not a cursor" in error["message"]) == ("BAD_USER_INPUT", True)


@pytest.mark.parametrize("path", LISTS)
async def test_filter_of_any_list_that_is_nested_too_deep_is_bad_input(company: Company, path: str) -> None:
    deep: dict[str, Any] = {}
    for _ in range(3):
        deep = {"or": [deep]}
    assert (await company.page(path, filter=deep))["totalCount"] == len(company.of(path)[0])
    (error,) = await company.page(path, filter={"and": [deep]})
    assert (error["extensions"]["code"], "3 deep" in error["message"]) == ("BAD_USER_INPUT", True)


async def test_filters_of_what_rows_belong_to_count_as_filters_inside_a_filter(company: Company) -> None:
    right = {"experiment": {"hypothesis": {"kpi": {"isLeading": True}}}}
    assert (await company.page("Query.learnings", filter=right))["totalCount"] >= 0
    (error,) = await company.page("Query.learnings", filter={"and": [right]})
    assert "3 deep" in error["message"]
    (error,) = await company.page("Query.learnings", filter={"or": [{"experiment": {}}] * 21})
    assert "21 conditions" in error["message"]


async def test_value_that_an_enum_does_not_have_is_refused_before_anything_is_read(company: Company) -> None:
    for document in (
        "{ alerts(filter: { severity: { eq: SEVERE } }) { totalCount } }",
        "{ alerts(orderBy: { field: WORTH, direction: ASC }) { totalCount } }",
        '{ endpoints(filter: { address: { contains: "hooks" } }) { totalCount } }',
    ):
        data, errors = await company.ask(document, {})
        assert data is None
        assert errors[0]["extensions"]["code"] in {"BAD_REQUEST", "BAD_USER_INPUT"}


LONG = {
    "Query.auditLog": "pk_audit_entries",
    "Query.deliveries": "ix_deliveries_workspace_id_created_at",
    "Query.rejections": "ix_rejections_workspace_id_received_at",
    "Query.alerts": "ix_alerts_workspace_id_raised_at",
}
"""Lists that grow by themselves, and the index that their own order is read from."""


@pytest.mark.parametrize("path", LONG)
async def test_long_list_is_read_from_an_index_in_its_order_from_any_place_on(company: Company, path: str) -> None:
    """As requests read it, whose conditions row level security keeps from most indexes."""
    one, workspace = LISTS[path], company.caller.workspace_id
    order = Ordering(name="own", table=one.table, column="id" if one.id == "number" else next(iter(one.orders)).lower())
    place = order.unpacked(order.packed(company.rows[one.field][0]))
    assert place is not None
    whole = select(one.table).where(one.table.workspace_id == workspace)  # type: ignore[attr-defined]  # each has one
    statement = whole.where(order.beyond(place)).order_by(*order.terms()).limit(3)
    text = str(statement.compile(dialect=asyncpg.dialect(), compile_kwargs={"literal_binds": True}))  # type: ignore[no-untyped-call]  # SQLAlchemy's
    async with company.database.of(workspace).read() as session:
        connection = await driver(session)
        await connection.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
        plan = [row[0] for row in await connection.fetch(f"EXPLAIN (COSTS OFF) {text}")]
    assert [line for line in plan if f"using {LONG[path]} on" in line], plan
    assert [line for line in plan if line.strip().startswith(("Sort  ", "->  Sort"))] == []


async def test_stranger_finds_nothing_through_a_filter_of_what_rows_belong_to(company: Company) -> None:
    """The condition on a row's KPI is met by KPIs of the same workspace only."""
    async with company.database.write() as session:
        other = await ensure_workspace(session, f"other-{uuid4().hex[:12]}", DAY)
    stranger = Company(company.database, replace(company.caller, workspace_id=other.id))
    document = '{ alerts(filter: { kpi: { owner: { contains: "" } } }) { totalCount } }'
    assert (await company.ask(document, {}))[0] == {"alerts": {"totalCount": N}}
    assert (await stranger.ask(document, {}))[0] == {"alerts": {"totalCount": 0}}
