"""scheduler's schema, as Alembic revisions of plain SQL; see servicekit.migrate."""
