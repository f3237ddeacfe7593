"""Row level security: how a migration has Postgres show each workspace its own rows of a table, and no other's.

Requests act as `truelift_app` and name their workspace for a transaction; duties act as `truelift_worker`. Neither owns
a table, and the owner sees what it sees as a member of the worker's role. A new table needs one of these calls.
"""

from alembic import op

APP, WORKER = "truelift_app", "truelift_worker"
NAMED = "nullif(current_setting('app.workspace', true), '')::integer"
"""The workspace that the transaction names; null where it names none, which no row has."""
OWN, CHECK = f"{{}} = {NAMED}", f"{{}} = (SELECT {NAMED})"
LOOKED_UP = "EXISTS (SELECT FROM {parent} WHERE {parent}.id = {table}.{column})"
LISTED = "{column} IN (SELECT id FROM {parent})"
ALL = "SELECT, INSERT, UPDATE, DELETE"
ISOLATE = """
DO $$ BEGIN
    DROP POLICY IF EXISTS workspace ON {table};
    DROP POLICY IF EXISTS duties ON {table};
    CREATE POLICY workspace ON {table} TO {APP} USING ({own}) WITH CHECK ({check});
    CREATE POLICY duties ON {table} TO {WORKER} USING (true);
    GRANT {app} ON {table} TO {APP};
    GRANT {worker} ON {table} TO {WORKER};
    ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
    ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
END $$
"""
FREE = """
DO $$ BEGIN
    ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY;
    ALTER TABLE {table} DISABLE ROW LEVEL SECURITY;
    DROP POLICY IF EXISTS workspace ON {table};
    DROP POLICY IF EXISTS duties ON {table};
    REVOKE ALL ON {table} FROM {APP}, {WORKER};
END $$
"""


def by_column(table: str, column: str = "workspace_id", *, app: str = ALL, worker: str = ALL) -> None:
    """Rows that say themselves whose they are. What is written is held against the workspace once a statement."""
    _isolate(table, OWN.format(column), CHECK.format(column), app, worker)


def by_parent(table: str, column: str, parent: str, *, in_bulk: bool = False) -> None:
    """Rows that are whose the row of another table is: that table's own policy says which can be seen.

    Reading, the planner looks each up or makes one list of them, whichever costs less. Of rows `in_bulk`, the list is
    made for writing as well.
    """
    own, listed = (text.format(table=table, column=column, parent=parent) for text in (LOOKED_UP, LISTED))
    _isolate(table, own, listed if in_bulk else own)


def by_index(table: str, column: str, parent: str) -> None:
    """Rows that say themselves whose they are, and are read by the million from an index that has only `column`."""
    _isolate(table, LISTED.format(column=column, parent=parent), CHECK.format("workspace_id"))


def _isolate(table: str, own: str, check: str, app: str = ALL, worker: str = ALL) -> None:
    op.execute(ISOLATE.format(table=table, own=own, check=check, app=app, worker=worker, APP=APP, WORKER=WORKER))


def lift(table: str) -> None:
    """Take it all back."""
    op.execute(FREE.format(table=table, APP=APP, WORKER=WORKER))
