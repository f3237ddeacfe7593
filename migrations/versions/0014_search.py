"""The words of hypotheses, experiments and learnings, kept by Postgres, and what finds them.

A generated column rewrites its table under a lock. A table here has a row for something a person wrote, at less than a
millisecond each, so that is soon done; it is not given up half way. The indexes are built concurrently.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

FANCY = "\u00ab\u00bb\u2039\u203a\u201c\u201d\u201e\u2018\u2019\u201a\u2013\u2014\u2026\u2022\u00b7\u00a0\u202f"
TEXT = f"regexp_replace({{}}, '[{FANCY}]'::text, ' '::text, 'g'::text)"
SEARCHED = {
    "hypotheses": {
        TEXT.format("key::text || ' '::text || title::text"): "A",
        TEXT.format("change::text"): "B",
        TEXT.format("rationale::text"): "C",
    },
    "experiments": {TEXT.format("key::text || ' '::text || name::text"): "A"},
    "learnings": {
        TEXT.format("conclusion::text"): "A",
        "tags": "A",
        TEXT.format("COALESCE(learned, ''::character varying)::text"): "B",
    },
}
"""Which texts of a table are searched, and how much a word in them weighs."""


def upgrade() -> None:
    op.execute("SET LOCAL statement_timeout = 0")
    for table, texts in SEARCHED.items():
        words = " || ".join(
            f"setweight(to_tsvector('simple'::regconfig, {text}), '{weight}'::\"char\")"
            for text, weight in texts.items()
        )
        op.add_column(table, sa.Column("search", postgresql.TSVECTOR(), sa.Computed(words, persisted=True)))
    with op.get_context().autocommit_block():
        for table in SEARCHED:
            op.create_index(
                f"ix_{table}_search", table, ["search"], postgresql_using="gin", postgresql_concurrently=True
            )


def downgrade() -> None:
    for table in SEARCHED:
        op.drop_index(f"ix_{table}_search", table_name=table)
        op.drop_column(table, "search")
