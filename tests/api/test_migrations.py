"""The migrations make what the models say, and can be taken back and forth while there are data."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import CheckConstraint, Connection, text
from sqlmodel import SQLModel

import api.auth.tables
import api.delivery.tables
import api.graphql.tables
import api.jobs.tables
import api.replies.tables
import api.trail.tables
import experiments.programme.reviews.tables
import experiments.tables
import kpi.alerts.tables
import kpi.history.tables
import kpi.tables
from api import schema
from api.database import Database
from tests.api.databases import made, migrated, url_of

MODELS = (
    api.auth.tables,
    api.delivery.tables,
    api.graphql.tables,
    api.jobs.tables,
    api.replies.tables,
    experiments.programme.reviews.tables,
    api.trail.tables,
    experiments.tables,
    kpi.alerts.tables,
    kpi.history.tables,
    kpi.tables,
)
FILL = """
INSERT INTO workspaces (key, name, created_at) VALUES ('w', 'w', now());
INSERT INTO kpis (workspace_id, key, name, description, unit, direction, tier, is_leading, driver, owner, data_source,
    frequency, action, created_at)
SELECT id, 'k', 'k', '', 'USER', 'HIGHER', 'EARLY', true, 'RENEWAL', 'o', '', 'WEEKLY', '', now() FROM workspaces;
INSERT INTO definitions (kpi_id, version, kind, parameters, created_at) SELECT id, 1, 'mean', '{}', now() FROM kpis;
INSERT INTO baselines (definition_id, version, value, standard_error, created_at)
SELECT id, 1, 0.5, 0.1, now() FROM definitions;
INSERT INTO hypotheses (workspace_id, key, title, change, kpi_id, direction, rationale, owner, created_at)
SELECT workspace_id, 'h', 't', 'c', id, 'INCREASE', '', 'o', now() FROM kpis;
INSERT INTO experiments (workspace_id, key, name, hypothesis_id, kind, unit, owner, state, plan, created_at)
SELECT workspace_id, 'e', 'e', id, 'OTHER', 'USER', 'o', 'DRAFT', '{}', now() FROM hypotheses;
INSERT INTO variants (experiment_id, key, name, weight, is_control) SELECT id, 'v', 'v', 1, true FROM experiments;
INSERT INTO status_changes (workspace_id, hypothesis_id, status, rule, sentence, cause, experiment_id, changed_at)
SELECT workspace_id, hypothesis_id, 'OPEN', '', '', 'REFRESH', id, now() FROM experiments;
INSERT INTO exposures (experiment_id, unit, variant_id, exposed_at) SELECT experiment_id, 'u', id, now() FROM variants;
INSERT INTO events (workspace_id, name) SELECT id, 'e' FROM workspaces;
INSERT INTO outcomes (id, workspace_id, event_id, unit, occurred_at)
SELECT gen_random_uuid(), workspace_id, id, 'u', now() FROM events;
INSERT INTO rejections (workspace_id, noun, code, message, path, row, received_at)
SELECT id, 'outcomes', 'MALFORMED', '', 'row', '{}', now() FROM workspaces;
INSERT INTO jobs (workspace_id, noun, state, parameters, bytes_total, bytes_read, line, accepted, duplicates, rejected,
    attempts, created_at, touched_at)
SELECT id, 'OUTCOMES', 'WAITING', '{}', 1, 0, 0, 0, 0, 0, 0, now(), now() FROM workspaces;
INSERT INTO job_chunks (job_id, place, data) SELECT id, 0, 'x' FROM jobs;
UPDATE experiments SET given_at = now();
INSERT INTO tallies (experiment_id, definition_id, variant_id, entered_on, n, tally)
SELECT experiment_id, 1, id, '2026-03-02', 2, 1 FROM variants;
INSERT INTO value_counts (experiment_id, definition_id, segment, variant_id, entered_on, value, n)
SELECT experiment_id, 1, '', id, '2026-03-02', 12.5, 2 FROM variants;
INSERT INTO ingests (workspace_id, noun, accepted, duplicates, rejected, touched, is_pending, received_at, counts, late)
SELECT workspace_id, 'outcomes', 2, 0, 0, ARRAY[id], true, now(), ARRAY[2], ARRAY[1] FROM events;
INSERT INTO arrivals (event_id, arrived_on, n, late) SELECT id, '2026-03-02', 2, 1 FROM events;
INSERT INTO learnings (workspace_id, experiment_id, conclusion, tags, links, by, recorded_at)
SELECT workspace_id, id, 'c', '["t"]', '[]', 'b', now() FROM experiments;
INSERT INTO learning_versions (learning_id, number, conclusion, tags, links, by, written_at)
SELECT id, 1, 'c', '[]', '[]', 'b', now() FROM learnings;
INSERT INTO moments (experiment_id, definition_id, segment, variant_id, entered_on, n, mean, m2, mean_x, m2_x, c_xy,
    missing)
SELECT experiment_id, 1, '', id, '2026-03-02', 2, 1, 2, 3, 4, 2, 0 FROM variants;
INSERT INTO protocols (workspace_id, key, created_at) SELECT id, 'p', now() FROM workspaces;
INSERT INTO protocol_versions (protocol_id, version, name, description, terms, by, created_at)
SELECT id, 1, 'n', '', '{}', 'b', now() FROM protocols;
UPDATE workspaces SET requires_protocol = true;
INSERT INTO targets (kpi_id, version, value, due_on, owner, approver, by, reason, created_at)
SELECT id, 1, 0.4, '2026-12-31', 'o', '', 'b', 'r', now() FROM kpis;
INSERT INTO kpi_changes (kpi_id, number, what, by, by_id, reason, changes, created_at)
SELECT id, 1, 'TARGET', 'b', 'k', 'r', '[]', now() FROM kpis;
INSERT INTO rehearsals (definition_id, unit, policy, alpha, looks, horizon_days, minimum_days, share, experiment_id,
    replays, false_positives, units, days, data_through, computed_at, seed, version)
SELECT d.id, 'USER', 'FIXED', 0.05, 1, 28, 0, 0.5, e.id, 2000, 101, 1500, 20, now(), now(), 1, 'v'
FROM experiments e CROSS JOIN definitions d;
INSERT INTO jobs (workspace_id, experiment_id, state, parameters, bytes_total, bytes_read, line, accepted, duplicates,
    rejected, attempts, created_at, touched_at)
SELECT workspace_id, id, 'WAITING', '{}', 0, 0, 0, 0, 0, 0, 0, now(), now() FROM experiments;
INSERT INTO duty_faults (experiment_id, duty, attempts, failed_at, message)
SELECT id, duty, 2, now(), 'm' FROM experiments CROSS JOIN unnest(ARRAY['REFRESH', 'LOOKS']) AS duty;
INSERT INTO overlap_runs (experiment_id, claimed_at) SELECT id, now() FROM experiments;
INSERT INTO overlap_counts (experiment_id, other_id, variant_id, other_variant_id, met_on, n)
SELECT id, id, 1, 1, '2026-03-02', 1 FROM experiments;
INSERT INTO overlap_moments (experiment_id, other_id, variant_id, other_variant_id, definition_id, entered_on, n, mean,
    m2)
SELECT id, id, 1, 1, 1, '2026-03-02', 1, 0, 0 FROM experiments;
INSERT INTO traits (workspace_id, unit, name, since_at, value, ingest_id)
SELECT id, 'u', 'plan', '1000-01-01T00:00:00Z', 'pro', 1 FROM workspaces;
INSERT INTO rejections (workspace_id, noun, code, message, path, row, received_at)
SELECT id, 'traits', 'MALFORMED', '', 'row', '{}', now() FROM workspaces;
INSERT INTO jobs (workspace_id, noun, state, parameters, bytes_total, bytes_read, line, accepted, duplicates, rejected,
    attempts, created_at, touched_at)
SELECT id, 'TRAITS', 'WAITING', '{}', 1, 0, 0, 0, 0, 0, 0, now(), now() FROM workspaces;
INSERT INTO job_chunks (job_id, place, data) SELECT id, 0, 'x' FROM jobs WHERE noun = 'TRAITS';
INSERT INTO job_omissions (job_id, unit) SELECT id, 'u' FROM jobs WHERE noun = 'TRAITS';
INSERT INTO kpi_changes (kpi_id, number, what, by, by_id, reason, changes, created_at)
SELECT id, 2, 'ALERTS', 'b', 'k', 'r', '[]', now() FROM kpis;
INSERT INTO alert_rules (workspace_id, kpi_id, kind, parameters, segment, granularity, severity, is_enabled,
    cooldown_days, created_by, created_at)
SELECT workspace_id, id, 'THRESHOLD', '{}', '', 'WEEK', 'WARNING', true, 7, 'b', now() FROM kpis;
INSERT INTO alerts (workspace_id, kpi_id, rule_id, state, kind, severity, segment, granularity, start_on, end_on, value,
    "limit", sentence, evidence, raised_at)
SELECT workspace_id, kpi_id, id, 'RAISED', kind, severity, '', 'WEEK', '2026-03-02', '2026-03-08', 0.3, 0.4, 's', '{}',
    now() FROM alert_rules;
INSERT INTO annotations (workspace_id, kpi_id, alert_id, noted_on, text, by, created_at)
SELECT workspace_id, kpi_id, id, start_on, 't', 'b', now() FROM alerts;
INSERT INTO kpis (workspace_id, key, name, description, unit, direction, tier, is_leading, driver, owner, data_source,
    frequency, action, created_at)
SELECT id, 'l', 'l', '', 'USER', 'HIGHER', 'LATE', false, 'RENEWAL', 'o', '', 'WEEKLY', '', now() FROM workspaces;
INSERT INTO kpi_links (leading_id, lagging_id, source, version, workspace_id, low, likely, high, elasticity,
    standard_error, by, reason, created_at)
SELECT k.id, l.id, 'ASSUMPTION', 1, k.workspace_id, 0.2, 0.5, 1.1, 0.6, 0.19, 'b', 'r', now()
FROM kpis AS k, kpis AS l WHERE k.key = 'k' AND l.key = 'l';
INSERT INTO notices (key, workspace_id, type, data, is_pending, created_at)
SELECT gen_random_uuid(), id, 'KPI_CHANGED', '{}', false, now() FROM workspaces;
INSERT INTO endpoints (workspace_id, kind, address, is_enabled, salt, created_by, created_at)
SELECT id, 'WEBHOOK', 'https://example.org/', true, 's', 'b', now() FROM workspaces;
INSERT INTO deliveries (workspace_id, notice_id, endpoint_id, state, attempts, next_at, created_at)
SELECT n.workspace_id, n.id, e.id, 'WAITING', 0, now(), now() FROM notices n CROSS JOIN endpoints e;
INSERT INTO reviews (workspace_id, kind, from_on, to_on, state, notes, agenda, decisions, created_by, created_at,
    snapshot, snapshot_json, snapshot_hash, closed_by, closed_at)
SELECT id, 'WEEKLY', '2026-03-02', '2026-03-08', 'CLOSED', '', '', '', 'b', now(), '{}', '{}', 'h', 'b', now()
FROM workspaces;
INSERT INTO action_items (workspace_id, review_id, text, owner, kpi_id, state, done_at, created_by, created_at)
SELECT r.workspace_id, r.id, 't', 'o', k.id, 'DONE', now(), 'b', now() FROM reviews r CROSS JOIN kpis k;
INSERT INTO replies (workspace_id, key, action, input_hash, sent_at) SELECT id, 'k', 'a', '', now() FROM workspaces;
INSERT INTO trusted_documents (workspace_id, hash, body, registered_at)
SELECT id, sha256('{ a }'), '{ a }', now() FROM workspaces;
INSERT INTO budgets (workspace_id, key, full_at, taken) SELECT id, '', now(), 0 FROM workspaces;
INSERT INTO audit_entries (workspace_id, number, done_at, actor, key, action, details, previous_hash, hash)
SELECT id, 1, now(), 'a', 'k', 'kpiRegister', '{}', '', '' FROM workspaces;
INSERT INTO api_keys (workspace_id, public_id, name, scopes, secret_hash, old_secret_hash, old_ends_at, rotation,
    rotated_at, created_at)
SELECT id, key, 'k', '{read}', 's', 'o', now(), 1, now(), now() FROM workspaces;
INSERT INTO members (workspace_id, email, name, role, state, invited_by, created_at)
SELECT id, 'a@example.org', 'a', 'ADMIN', 'ACTIVE', 'b', now() FROM workspaces;
INSERT INTO sign_ins (workspace_id, public_id, token_hash, member_id, proof, created_at, ends_at)
SELECT workspace_id, 'm' || id, 't', id, email::bytea || id::text::bytea, now(), now() FROM members;
INSERT INTO sign_ins (workspace_id, public_id, token_hash, api_key_id, rotation, created_at, ends_at)
SELECT workspace_id, 's' || public_id, 't', id, 0, now(), now() FROM api_keys;
INSERT INTO sign_in_links (workspace_id, member_id, public_id, token_hash, created_at, ends_at)
SELECT workspace_id, id, 'l' || id, 't', now(), now() FROM members;
INSERT INTO amendments (workspace_id, experiment_id, number, by, reason, changes, breaks_error_control,
    changes_estimand, replaced_json, replaced_hash, created_at)
SELECT workspace_id, id, 1, 'b', 'r', '[]', false, false, '{}', 'h', now() FROM experiments;
INSERT INTO decisions (workspace_id, experiment_id, number, choice, differs, by, by_id, needs_approval, plan_hash,
    created_at)
SELECT workspace_id, id, 1, 'SHIP', false, 'b', 'k', false, 'h', now() FROM experiments;
INSERT INTO steps (workspace_id, experiment_id, action, state, by, effective_at, made_at)
SELECT workspace_id, id, 'START', 'RUNNING', 'b', now(), now() FROM experiments;
INSERT INTO published_looks (workspace_id, experiment_id, planned_on, plan_hash, data_through, software_version,
    verdict, rule, document, document_hash, published_at)
SELECT workspace_id, id, '2026-03-02', 'h', now(), 'v', 'SHIP', 'r', '{}', 'h', now() FROM experiments;
INSERT INTO pauses (experiment_id, from_at) SELECT id, now() FROM experiments;
INSERT INTO refreshes (experiment_id, data_through, computed_at, crossovers, version)
SELECT id, now(), now(), 0, 'v' FROM experiments;
INSERT INTO segments (experiment_id, attribute, value) SELECT id, 'plan', 'pro' FROM experiments;
INSERT INTO entry_counts (experiment_id, segment, variant_id, entered_on, n, crossovers)
SELECT experiment_id, '', id, '2026-03-02', 2, 0 FROM variants;
INSERT INTO durations (experiment_id, definition_id, segment, variant_id, entered_on, day, events, losses)
SELECT experiment_id, 1, '', id, '2026-03-02', 1, 1, 0 FROM variants;
INSERT INTO memberships (workspace_id, member, since_at, ingest_id) SELECT id, 'u', now(), 1 FROM workspaces;
INSERT INTO baseline_schedules (kpi_id, every, days) SELECT id, 'MONTH', 30 FROM kpis;
INSERT INTO kpi_pairs (leading_id, lagging_id, workspace_id)
SELECT leading_id, lagging_id, workspace_id FROM kpi_links;
INSERT INTO histories (definition_id, workspace_id, events, reach)
SELECT d.id, k.workspace_id, '{}', 0 FROM definitions d JOIN kpis k ON k.id = d.kpi_id;
INSERT INTO history_entries (definition_id, segment, entered_on, n) SELECT id, '', '2026-03-02', 1 FROM definitions;
INSERT INTO history_moments (definition_id, segment, entered_on, n, mean, m2)
SELECT id, '', '2026-03-02', 1, 1, 0 FROM definitions;
INSERT INTO history_durations (definition_id, segment, entered_on, day, events, losses)
SELECT id, '', '2026-03-02', 1, 1, 0 FROM definitions;
INSERT INTO history_values (definition_id, segment, entered_on, value, n)
SELECT id, '', '2026-03-02', 1, 1 FROM definitions;
INSERT INTO history_clusters (definition_id, segment, entered_on, account, n, y, x)
SELECT id, '', '2026-03-02', 'a', 1, 1, 1 FROM definitions;
INSERT INTO unit_scores (definition_id, unit, ended_on, score, parts, segments)
SELECT id, 'u', '2026-03-02', 1, '{}', '{}' FROM definitions;
UPDATE experiments SET plan = '{"kpis": [{"kpi": "k"}, {"kpi": "k"}, {"kpi": "none"}]}';
"""


@pytest_asyncio.fixture
async def fresh(database_url: str) -> AsyncIterator[Database]:
    """A database of its own, without a table."""
    found = Database(url_of(database_url, await made(database_url)))
    yield found
    await found.close()


def differences(connection: Connection) -> list[Any]:
    context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
    return list(compare_metadata(context, SQLModel.metadata))


async def tables(database: Database) -> set[str]:
    async with database.raw() as connection:
        rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return {row["tablename"] for row in rows}


START = """
INSERT INTO experiments (workspace_id, key, name, hypothesis_id, kind, unit, owner, state, plan, created_at, started_at,
    sealed_at, plan_hash)
SELECT workspace_id, 'started', 'e', id, 'OTHER', 'USER', 'o', 'RUNNING', '{}', now(), now(), now(), 'h' FROM hypotheses
"""


async def fill(database: Database) -> None:
    async with database.raw() as connection:
        await connection.execute(FILL)


async def test_migrations_make_exactly_what_the_models_say(fresh: Database) -> None:
    await schema.upgrade(fresh.engine)
    async with fresh.engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    assert await tables(fresh) == {*SQLModel.metadata.tables, "alembic_version"}
    assert await schema.current(fresh.engine) == schema.newest()


async def test_checks_of_the_models_are_in_the_database_under_the_same_names(fresh: Database) -> None:
    await schema.upgrade(fresh.engine)
    names = "SELECT conname FROM pg_constraint c JOIN pg_namespace n ON n.oid = c.connamespace WHERE nspname = 'public'"
    async with fresh.engine.connect() as connection:
        found = set((await connection.execute(text(f"{names} AND contype = 'c'"))).scalars())
    stated = {
        constraint.name
        for table in SQLModel.metadata.tables.values()
        for constraint in table.constraints
        if isinstance(constraint, CheckConstraint)
    }
    assert found == stated


async def test_schema_goes_down_to_nothing_and_up_again_with_data_in_its_tables(fresh: Database) -> None:
    await schema.upgrade(fresh.engine)
    await fill(fresh)
    await schema.downgrade(fresh.engine, "base")
    assert await tables(fresh) == {"alembic_version"}
    assert await schema.current(fresh.engine) is None
    await schema.upgrade(fresh.engine)
    await fill(fresh)
    assert await schema.current(fresh.engine) == schema.newest()


async def test_upgrade_of_a_database_that_is_there_already_keeps_its_data(fresh: Database) -> None:
    await schema.upgrade(fresh.engine)
    await fill(fresh)
    await schema.upgrade(fresh.engine)
    async with fresh.raw() as connection:
        assert await connection.fetchval("SELECT count(*) FROM outcomes") == 1


async def test_upgrade_to_tallies_has_what_has_started_derived_anew_and_leaves_drafts(fresh: Database) -> None:
    (tallies,) = (Path(__file__).parents[2] / "migrations" / "versions").glob("*_tallies.py")
    (before,) = re.findall(r'^down_revision = "(\w+)"$', tallies.read_text(encoding="utf-8"), re.MULTILINE)
    await schema.upgrade(fresh.engine)
    await fill(fresh)
    async with fresh.raw() as connection:
        await connection.execute(START)
    await schema.downgrade(fresh.engine, before)
    await schema.upgrade(fresh.engine)
    async with fresh.raw() as connection:
        found = await connection.fetch("SELECT touched, days, is_pending FROM ingests WHERE noun = 'experiments'")
        started = await connection.fetchval("SELECT id FROM experiments WHERE key = 'started'")
    assert [tuple(row) for row in found] == [([started], None, True)]


async def test_upgrade_to_trials_finds_in_plans_what_they_measure_and_follows_them(database_url: str) -> None:
    (trials,) = (Path(__file__).parents[2] / "migrations" / "versions").glob("*_trials.py")
    (before,) = re.findall(r'^down_revision = "(\w+)"$', trials.read_text(encoding="utf-8"), re.MULTILINE)
    measured = """SELECT e.key, k.key FROM experiment_kpis m
        JOIN kpis k ON k.id = m.kpi_id JOIN experiments e ON e.id = m.experiment_id"""
    database = Database(url_of(database_url, await migrated(database_url)))
    await fill(database)
    async with database.raw() as connection:
        assert [tuple(row) for row in await connection.fetch(measured)] == [("e", "k")]
    await schema.downgrade(database.engine, before)
    await schema.upgrade(database.engine)
    async with database.raw() as connection:
        assert [tuple(row) for row in await connection.fetch(measured)] == [("e", "k")]
        await connection.execute("""UPDATE experiments SET plan = '{"kpis": [{"kpi": "l"}]}'""")
        assert [tuple(row) for row in await connection.fetch(measured)] == [("e", "l")]
    await database.close()


async def test_upgrades_started_together_on_an_empty_database_all_end_at_the_newest_revision(fresh: Database) -> None:
    others = [Database(fresh.engine.url.render_as_string(hide_password=False)) for _ in range(2)]
    async with asyncio.timeout(60):
        await asyncio.gather(*(schema.upgrade(database.engine) for database in (fresh, *others)))
    for database in others:
        await database.close()
    assert await schema.current(fresh.engine) == schema.newest()
