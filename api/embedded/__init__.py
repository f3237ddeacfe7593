"""The embedded Postgres: a database that starts with the first process that needs it and ends with the last.

    with embedded.running(embedded.default_data_dir("data")) as database:
        engine = create_async_engine(database.url)

Why it is built this way: `docs/decisions/2026-11-22-embedded-postgres.md`.
"""

from api.embedded.database import EmbeddedDatabase, default_data_dir, running
from api.embedded.errors import EmbeddedError

__all__ = ["EmbeddedDatabase", "EmbeddedError", "default_data_dir", "running"]
