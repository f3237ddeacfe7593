"""Runs migrations on the connection that the caller hands over (`api.schema`)."""

from alembic import context
from sqlmodel import SQLModel

import api.auth.tables
import api.delivery.tables
import api.graphql.tables
import api.jobs.tables
import api.replies.tables
import experiments.programme.reviews.tables
import experiments.tables
import kpi.alerts.tables
import kpi.history.tables
import kpi.tables

TABLES = (
    api.auth.tables,
    api.delivery.tables,
    api.graphql.tables,
    api.jobs.tables,
    api.replies.tables,
    experiments.programme.reviews.tables,
    experiments.tables,
    kpi.alerts.tables,
    kpi.history.tables,
    kpi.tables,
)  # imported so that the metadata know them

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
