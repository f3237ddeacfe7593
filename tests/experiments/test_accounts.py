"""Experiments on accounts: what members do counts for the account they belong to then."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from api.database import Database
from experiments.aggregation import forgetting
from kpi import memberships
from kpi.enums import Unit
from tests.experiments.aggregating import START, Running, assert_same, refresh, running, send
from tests.experiments.recomputation import DAY, Did, Exposed, recompute

ACCOUNTS, MEMBERS = ["acme", "globex"], ["ada", "bob", "cleo"]


@dataclass(frozen=True, kw_only=True)
class Joined:
    """Somebody belongs to an account from a time on, or to none."""

    member: str
    account: str | None
    at: datetime


async def join(database: Database, to: Running, rows: Sequence[Joined]) -> None:
    wire = [{"member": row.member, "account": row.account, "sinceAt": row.at} for row in rows]
    async with database.raw() as connection:
        report = await memberships.ingest(connection, workspace_id=to.workspace.id, rows=wire, now=datetime.now(UTC))
    assert report.refusals == ()


def credited(did: Sequence[Did], joined: Sequence[Joined]) -> list[Did]:
    """What was done, by the account it counts for: the last one joined by then; and by whoever did it."""
    found = list(did)
    for one in did:
        before = [row for row in joined if row.member == one.unit and row.at <= one.at]
        account = max(before, key=lambda row: row.at).account if before else None
        if account is not None:
            found.append(replace(one, unit=account))
    return found


times = st.builds(lambda hours: START + timedelta(hours=hours), st.integers(0, 110))
exposed = st.builds(
    Exposed,
    unit=st.sampled_from(ACCOUNTS),
    variant=st.sampled_from([0, 0, 1]),
    at=st.builds(lambda hours: START + timedelta(hours=hours), st.integers(0, 40)),
    plan=st.none(),
)
did = st.builds(
    Did,
    unit=st.sampled_from([*MEMBERS, *MEMBERS, *ACCOUNTS]),
    event=st.sampled_from(["did", "did", "deleted"]),
    at=times,
    value=st.sampled_from([None, 0.5, 2.0]),
)
joined = st.builds(Joined, member=st.sampled_from(MEMBERS), account=st.sampled_from([*ACCOUNTS, None]), at=times)


@settings(max_examples=30, deadline=None, database=None, derandomize=True)
@given(
    exposures=st.lists(exposed, min_size=1, max_size=4),
    acts=st.lists(did, min_size=2, max_size=12, unique_by=lambda row: row.at),
    spans=st.lists(joined, min_size=1, max_size=8, unique_by=lambda row: (row.member, row.at)),
    cuts=st.tuples(st.integers(0, 12), st.integers(0, 8), st.integers(1, 5)),
)
async def test_refresh_counts_what_members_do_whatever_comes_in_first(
    database: Database,
    exposures: list[Exposed],
    acts: list[Did],
    spans: list[Joined],
    cuts: tuple[int, int, int],
) -> None:
    to = await running(database, Unit.ACCOUNT)
    acts_cut, spans_cut, days = cuts
    await send(database, to, [*exposures, *acts[:acts_cut]])
    await join(database, to, spans[:spans_cut])
    early = START + days * DAY
    assert_same(
        await refresh(database, to, early),
        recompute(exposures, credited(acts[:acts_cut], spans[:spans_cut]), early),
    )
    await join(database, to, spans[spans_cut:])
    await send(database, to, acts[acts_cut:])
    for now in (early, START + 9 * DAY):
        assert_same(await refresh(database, to, now), recompute(exposures, credited(acts, spans), now))


async def test_refresh_of_users_does_not_look_at_memberships(database: Database) -> None:
    to = await running(database)
    exposures = [Exposed(unit="acme", variant=0, at=START, plan=None)]
    acts = [Did(unit="ada", event="did", at=START + timedelta(hours=1), value=1.0)]
    await send(database, to, [*exposures, *acts])
    await join(database, to, [Joined(member="ada", account="acme", at=START)])
    now = START + 9 * DAY
    assert_same(await refresh(database, to, now), recompute(exposures, acts, now))


async def test_forgetting_a_member_takes_what_it_did_out_of_its_account(database: Database) -> None:
    to = await running(database, Unit.ACCOUNT)
    exposures = [Exposed(unit="acme", variant=0, at=START, plan=None)]
    acts = [
        Did(unit=unit, event="did", at=START + timedelta(hours=hour), value=1.0)
        for hour, unit in enumerate(("ada", "bob"), start=1)
    ]
    spans = [Joined(member=member, account="acme", at=START) for member in ("ada", "bob")]
    now = START + 9 * DAY
    await send(database, to, [*exposures, *acts])
    await join(database, to, spans)
    assert_same(await refresh(database, to, now), recompute(exposures, credited(acts, spans), now))
    async with database.raw() as connection:
        found = await forgetting.forget(connection, workspace_id=to.workspace.id, unit="ada", now=now)
    assert (found.outcomes, found.exposures, found.memberships) == (1, 0, 1)
    assert_same(await refresh(database, to, now), recompute(exposures, credited(acts[1:], spans[1:]), now))
