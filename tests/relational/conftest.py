"""A PostgreSQL server for the tests of whole databases."""

from tests.rating.conftest import postgres_url  # noqa: F401  (a fixture is found by its name)
