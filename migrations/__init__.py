"""The schema's history. Alembic owns it; a test holds the models against it."""
