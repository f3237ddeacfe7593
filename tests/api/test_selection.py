"""Lists in an order that is asked for, page by page, and of the rows that a filter means. Python says what is right."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from api.auth.keys import Caller
from api.auth.tenants import ensure_workspace
from api.database import Database
from api.graphql.nodes import global_id, sealed
from experiments.enums import Kind, State
from experiments.tables import Experiment
from kpi.enums import Change, Direction, Driver, Frequency, Tier, Unit
from kpi.tables import Hypothesis, Kpi
from tests.api.conftest import Try

DAY = datetime(2026, 6, 1, tzinfo=UTC)
LISTS = {
    "kpis": ("Kpi", {"CREATED_AT": "created_at", "KEY": "key", "NAME": "name"}),
    "hypotheses": ("Hypothesis", {"CREATED_AT": "created_at", "KEY": "key", "TITLE": "title"}),
    "experiments": (
        "Experiment",
        {"CREATED_AT": "created_at", "STARTED_AT": "started_at", "KEY": "key", "NAME": "name"},
    ),
}
ORDERS = [(name, field, way) for name, (_, found) in LISTS.items() for field in found for way in ("ASC", "DESC")]
LIST = """
query List($first: Int, $after: String, $last: Int, $before: String, $order: %(noun)sOrder, $filter: %(noun)sFilter) {
  %(name)s(first: $first, after: $after, last: $last, before: $before, orderBy: $order, filter: $filter) {
    nodes { key } totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}
"""
DOCUMENTS = {name: LIST % {"noun": noun, "name": name} for name, (noun, _) in LISTS.items()}
LETTERS = "aAbB%_/\\"
"""Few, so that rows are often alike; and those that mean something to Postgres."""
Drawn = tuple[str, int, int | None]
"""What differs from row to row: a name, and the days it was registered and started on."""
ROWS = st.tuples(st.text(LETTERS, min_size=1, max_size=2), st.integers(0, 2), st.none() | st.integers(0, 2))
SLOW = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


def kpi(n: int, drawn: Drawn, **of: Any) -> Kpi:
    """A KPI, the odd ones leading and counting accounts."""
    return Kpi(
        **of,
        key=f"{drawn[0]}{n}",
        name=drawn[0],
        description="",
        unit=Unit.ACCOUNT if n % 2 else Unit.USER,
        direction=Direction.HIGHER,
        tier=[*Tier][n % 3],
        is_leading=bool(n % 2),
        driver=Driver.RENEWAL,
        owner="Ada",
        data_source="",
        frequency=Frequency.WEEKLY,
        action="",
        created_at=DAY + timedelta(drawn[1]),
    )


def hypothesis(n: int, drawn: Drawn, **of: Any) -> Hypothesis:
    """A hypothesis."""
    return Hypothesis(
        **of,
        key=f"{drawn[0]}{n}",
        title=drawn[0],
        change="",
        direction=[*Change][n % 2],
        rationale="",
        owner="Ada",
        created_at=DAY + timedelta(drawn[1]),
    )


def experiment(n: int, drawn: Drawn, **of: Any) -> Experiment:
    """An experiment: running where it has a day to start on, a draft where it has none."""
    started = None if drawn[2] is None else DAY + timedelta(drawn[2])
    sealed_by: dict[str, Any] = {} if started is None else {"plan_hash": "0", "plan_json": "{}", "sealed_at": started}
    return Experiment(
        **of,
        **sealed_by,
        key=f"{drawn[0]}{n}",
        name=drawn[0],
        kind=[*Kind][n % 3],
        unit=Unit.USER,
        owner="Ada" if n % 2 else "Bob",
        state=State.DRAFT if started is None else State.RUNNING,
        plan={},
        started_at=started,
        created_at=DAY + timedelta(drawn[1]),
    )


class Lists:
    """The lists of a workspace of its own, and the rows that were put into them."""

    def __init__(self, database: Database, attempt: Try, caller: Caller) -> None:
        self._database, self._attempt, self._caller = database, attempt, caller
        self.rows: list[Any] = []
        self._of: dict[str, Any] = {}

    async def begin(self) -> "Lists":
        """Make the workspace, and what experiments are about."""
        async with self._database.write() as session:
            made = await ensure_workspace(session, f"lists-{uuid4().hex[:12]}", DAY)
            self._caller = replace(self._caller, workspace_id=made.id, workspace=made.key)
            self._of = {"workspace_id": made.id}
        return self

    async def add(self, name: str, some: Sequence[Drawn]) -> None:
        """Put rows into a list."""
        make: dict[str, Callable[..., Any]] = {"kpis": kpi, "hypotheses": hypothesis, "experiments": experiment}
        async with self._database.write() as session:
            of = dict(self._of)
            if name != "kpis" and "kpi_id" not in self._of:
                about = kpi(0, ("about", 0, None), **of)
                session.add(about)
                await session.flush()
                self._of["kpi_id"] = about.id
            if name == "experiments" and "hypothesis_id" not in self._of:
                believed = hypothesis(0, ("believed", 0, None), **of, kpi_id=self._of["kpi_id"])
                session.add(believed)
                await session.flush()
                self._of["hypothesis_id"] = believed.id
            needed = {"kpis": (), "hypotheses": ("kpi_id",), "experiments": ("hypothesis_id",)}[name]
            of |= {part: self._of[part] for part in needed}
            for drawn in some:
                row = make[name](len(self.rows), drawn, **of)
                session.add(row)
                await session.flush()
                self.rows.append(row)

    async def page(self, name: str, **variables: Any) -> tuple[list[str], dict[str, Any]]:
        """The keys on a page, and where it lies."""
        answer = await self._attempt(DOCUMENTS[name], variables, caller=self._caller)
        assert answer["errors"] == []
        found = answer["data"][name]
        return [node["key"] for node in found["nodes"]], found["pageInfo"] | {"total": found["totalCount"]}

    async def fault(self, name: str, **variables: Any) -> str:
        """Why a page is refused."""
        answer = await self._attempt(DOCUMENTS[name], variables, caller=self._caller)
        (error,) = answer["errors"]
        assert error["extensions"]["code"] == "BAD_USER_INPUT"
        assert answer["data"] == {name: None}
        return str(error["message"])


@pytest_asyncio.fixture
async def lists(database: Database, attempt: Try, caller: Caller) -> Lists:
    """The lists of a workspace of its own."""
    return await Lists(database, attempt, caller).begin()


def in_order(rows: Sequence[Any], column: str, way: str) -> list[str]:
    """Keys of rows as they must stand: by the column, then by id; without a value last."""

    def place(row: Any) -> tuple[Any, int]:
        value = getattr(row, column)
        return value.lower() if isinstance(value, str) else value, row.id

    known = sorted((row for row in rows if getattr(row, column) is not None), key=place)
    unknown = sorted((row for row in rows if getattr(row, column) is None), key=lambda row: row.id)
    return [row.key for part in (known, unknown) for row in (part if way == "ASC" else reversed(part))]


@SLOW
@given(
    asked=st.sampled_from(ORDERS),
    before=st.lists(ROWS, max_size=7),
    meanwhile=st.lists(ROWS, max_size=3),
    size=st.integers(1, 3),
    backwards=st.booleans(),
)
async def test_walk_in_any_order_and_direction_visits_each_row_once_in_order(
    database: Database,
    attempt: Try,
    caller: Caller,
    asked: tuple[str, str, str],
    before: list[Drawn],
    meanwhile: list[Drawn],
    size: int,
    backwards: bool,
) -> None:
    """Also where rows come in after the first page: those that stand further on are seen, those behind are not."""
    name, field, way = asked
    column = LISTS[name][1][field]
    lists = await Lists(database, attempt, caller).begin()
    await lists.add(name, before)
    end, edge, more = (
        ("before", "startCursor", "hasPreviousPage") if backwards else ("after", "endCursor", "hasNextPage")
    )
    order = {"field": field, "direction": way}

    async def page(cursor: str | None) -> tuple[list[str], dict[str, Any]]:
        return await lists.page(name, order=order, **{"last" if backwards else "first": size, end: cursor})

    first, info = await page(None)
    whole = in_order(lists.rows, column, way)
    assert first == (whole[-size:] if backwards else whole[:size])
    await lists.add(name, meanwhile)
    if not first:
        return
    seen, pages = list(first), 0
    while pages == 0 or info[more]:
        keys, info = await page(info[edge] or None)
        assert len(keys) <= size
        seen, pages = (keys + seen if backwards else seen + keys), pages + 1
        if not keys:
            break
    whole = in_order(lists.rows, column, way)
    assert seen == (
        whole[: whole.index(first[0])] + first if backwards else first + whole[whole.index(first[-1]) + 1 :]
    )
    assert info["total"] == len(whole)


async def test_list_that_is_asked_for_no_order_is_newest_first(lists: Lists) -> None:
    await lists.add("experiments", [("a", 1, None), ("b", 2, None), ("c", 0, 1), ("d", 1, 2)])
    order = {"field": "CREATED_AT", "direction": "DESC"}
    keys, info = await lists.page("experiments")
    assert keys == ["b1", "d3", "a0", "c2"]
    again, same = await lists.page("experiments", order=order)
    assert (again, same) == (keys, info)


async def test_cursor_of_another_order_another_list_or_none_is_refused(lists: Lists) -> None:
    await lists.add("experiments", [("a", 1, None), ("b", 2, 0)])
    named = {"field": "NAME", "direction": "ASC"}
    _, info = await lists.page("experiments", first=1, order=named)
    for order in (None, named | {"direction": "DESC"}, named | {"field": "STARTED_AT"}):
        assert "not a cursor" in await lists.fault("experiments", order=order, after=info["endCursor"])
    assert "not a cursor" in await lists.fault("kpis", order=named, before=info["endCursor"])
    label = "Experiment.NAME.ASC"
    for text in (
        f'["{label}","\\u0000",1]',
        f'["{label}","\\ud800",1]',
        f'["{label}","a",-1]',
        f'["{label}","a",1000000000]',
        f'["{label}","a",true]',
        f'["{label}",1,1]',
        f'["{label}","a"]',
        "[" * 5_000,
        "",
    ):
        assert "not a cursor" in await lists.fault("experiments", order=named, after=sealed(text))
    times = '["Experiment.CREATED_AT.DESC","%s",1]'
    for at in ("2026-06-01T00:00:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:00:00-14:00", "soon"):
        assert "not a cursor" in await lists.fault("experiments", after=sealed(times % at))
    assert "not a cursor" in await lists.fault("experiments", after=global_id("Experiment", 1))


STRINGS = st.fixed_dictionaries(
    {},
    optional={
        "eq": st.text(LETTERS, min_size=1, max_size=2),
        "in": st.lists(st.text(LETTERS, min_size=1, max_size=1), max_size=3),
        "contains": st.text(LETTERS, max_size=1),
    },
)
TIMES = st.fixed_dictionaries({}, optional={end: st.integers(0, 2) for end in ("gte", "lt")}).map(
    lambda said: {end: (DAY + timedelta(days)).isoformat() for end, days in said.items()}
)
STATES = st.sampled_from(["DRAFT", "RUNNING", "STOPPED"])
COMPARED: dict[str, st.SearchStrategy[Any]] = {
    "name": STRINGS,
    "state": st.fixed_dictionaries({}, optional={"eq": STATES, "in": st.lists(STATES, max_size=2)}),
    "createdAt": TIMES,
    "startedAt": st.none() | TIMES,
}


def filters(deeper: int) -> st.SearchStrategy[dict[str, Any]]:
    """Filters with others inside them."""
    inside = {"and": filters(deeper - 1), "or": filters(deeper - 1)} if deeper else {}
    lists_of = {name: st.lists(found, max_size=2) for name, found in inside.items()}
    return st.fixed_dictionaries({}, optional=COMPARED | lists_of)


COLUMNS = {"name": "name", "state": "state", "createdAt": "created_at", "startedAt": "started_at"}


def meets(row: Experiment, asked: dict[str, Any]) -> bool:
    """Whether a row is one that a filter means."""
    own = {name: said for name, said in asked.items() if name in COLUMNS and said is not None}
    return (
        all(
            compares(getattr(row, COLUMNS[name]), how, than) for name, said in own.items() for how, than in said.items()
        )
        and all(meets(row, one) for one in asked.get("and", []))
        and ("or" not in asked or any(meets(row, one) for one in asked["or"]))
    )


def compares(value: Any, how: str, than: Any) -> bool:
    """Whether a value is as a comparator says."""
    if isinstance(value, datetime) or value is None:
        at = datetime.fromisoformat(than)
        return value is not None and (value >= at if how == "gte" else value < at)
    if how == "contains":
        return than.lower() in value.lower()
    return value in than if how == "in" else value == than


def conditions(asked: dict[str, Any]) -> int:
    """The conditions of a filter, by the rule: one each, and one for a filter inside it that has none."""
    here = sum(len(said) for name, said in asked.items() if name in COLUMNS and said is not None)
    return here + sum(max(conditions(one), 1) for name in ("and", "or") for one in asked.get(name, []))


@settings(SLOW, max_examples=30)
@example(asked={"name": {"contains": "%"}})
@example(asked={"name": {"contains": "_"}})
@example(asked={"name": {"contains": "\\"}})
@example(asked={"name": {"contains": "/"}})
@example(asked={"name": {"contains": "A"}, "startedAt": {"gte": DAY.isoformat()}})
@given(asked=filters(2).filter(lambda asked: conditions(asked) <= 20))
async def test_filter_finds_what_python_finds_among_all_rows(lists: Lists, asked: dict[str, Any]) -> None:
    if not lists.rows:
        names = [*LETTERS, "aB", "%_", "\\a", "//", "ba"]
        await lists.add("experiments", [(name, n % 3, (None, 0, 1, 2)[n % 4]) for n, name in enumerate(names)])
    keys, info = await lists.page("experiments", filter=asked, first=100)
    expected = [row for row in lists.rows if meets(row, asked)]
    assert (keys, info["total"]) == (in_order(expected, "created_at", "DESC"), len(expected))


@pytest.mark.parametrize(
    ("name", "asked", "expected"),
    [
        ("kpis", {"tier": {"eq": "EARLY"}}, ["a0", "d3"]),
        ("kpis", {"tier": {"in": ["EARLY", "LATE"]}, "isLeading": False}, ["a0", "c2"]),
        ("kpis", {"isLeading": True}, ["b1", "d3"]),
        ("kpis", {"unit": {"eq": "ACCOUNT"}, "key": {"in": ["a0", "b1"]}}, ["b1"]),
        (
            "kpis",
            {"or": [{"name": {"eq": "a"}}, {"and": [{"isLeading": True}, {"name": {"contains": "D"}}]}]},
            ["a0", "d3"],
        ),
        ("kpis", {"owner": {"contains": "ad"}, "direction": {"eq": "LOWER"}}, []),
        ("kpis", {"tier": None, "name": {"eq": None}, "or": None}, ["a0", "b1", "c2", "d3"]),
        ("kpis", {"name": {"contains": "\0"}}, []),
        ("kpis", {"name": {"in": ["\0", "a"]}}, ["a0"]),
        ("kpis", {"name": {"in": []}}, []),
        ("kpis", {"or": []}, []),
        ("hypotheses", {"title": {"contains": "B"}}, ["b1"]),
        ("hypotheses", {"direction": {"eq": "INCREASE"}, "owner": {"eq": "Ada"}}, ["a0", "c2"]),
        ("hypotheses", {"createdAt": {"gte": "2026-06-01T02:00:00+02:00", "lt": "2026-06-02T00:00:00Z"}}, ["c2"]),
        ("experiments", {"owner": {"eq": "Bob"}, "kind": {"eq": "ONBOARDING_FLOW"}}, ["a0"]),
        ("experiments", {"stoppedAt": {"gte": "2020-01-01T00:00:00Z"}}, []),
        ("experiments", {"unit": {"in": ["USER"]}, "startedAt": {"lt": "2026-06-03T00:00:00Z"}}, ["c2"]),
    ],
)
async def test_each_list_is_narrowed_by_its_own_filter(
    lists: Lists, name: str, asked: dict[str, Any], expected: list[str]
) -> None:
    await lists.add(name, [("a", 1, None), ("b", 2, None), ("c", 0, 1), ("d", 1, 2)])
    keys, _ = await lists.page(name, filter=asked)
    assert sorted(keys) == expected


def deep(levels: int) -> dict[str, Any]:
    """Filters inside filters."""
    return {"name": {"eq": "a"}} if levels == 0 else {("and", "or")[levels % 2]: [deep(levels - 1)]}


@pytest.mark.parametrize(
    ("right", "wrong", "words"),
    [
        (deep(3), deep(4), "3 deep"),
        ({"or": [{}] * 20}, {"or": [{}] * 21}, "21 conditions"),
        (
            {"and": [{"name": {"eq": "a", "contains": "a"}}] * 10},
            {"and": [{"name": {"eq": "a", "contains": "a"}}] * 10, "owner": {"eq": "Ada"}},
            "21 conditions",
        ),
        ({"key": {"in": ["a0"] * 100}}, {"key": {"in": ["a0"] * 101}}, "101 values"),
        (
            {"createdAt": {"lt": "9999-12-31T23:59:59-14:00", "gte": "0001-01-01T00:00:00+14:00"}},
            {"createdAt": {"lt": "2026-06-01T00:00:00"}},
            "time zone",
        ),
    ],
)
async def test_filter_that_asks_for_too_much_is_bad_input(
    lists: Lists, right: dict[str, Any], wrong: dict[str, Any], words: str
) -> None:
    await lists.add("experiments", [("a", 1, None)])
    assert isinstance((await lists.page("experiments", filter=right))[0], list)
    assert words in await lists.fault("experiments", filter=wrong)


async def test_cursor_stands_for_its_place_whatever_the_filter(lists: Lists) -> None:
    await lists.add("kpis", [("a", 0, None), ("b", 0, None), ("c", 0, None), ("d", 0, None)])
    order = {"field": "KEY", "direction": "ASC"}
    _, info = await lists.page("kpis", first=2, order=order)
    keys, _ = await lists.page("kpis", order=order, after=info["endCursor"], filter={"isLeading": True})
    assert keys == ["d3"]
