"""A PostgreSQL server for the tests of reading and writing databases."""

from tests.rating.conftest import postgres_url  # noqa: F401  (a fixture is found by its name)
