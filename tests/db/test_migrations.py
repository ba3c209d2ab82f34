"""The migrations lead to the schema that the models describe."""

import asyncio
from collections.abc import Iterator

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, NullPool, create_engine, text

from db.errors import MigrationFailed
from db.migrate import head, pending, upgrade
from db.risk_models import Base
from deploy.local.postgres import libpq_url
from tests.servers import PostgresServer

# Everything that `create_all` and the migrations could disagree on, in PostgreSQL's own words.
_CATALOG = """
SELECT 'column', format('%s.%s', c.relname, a.attname), format('%s %s %s',
    format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid))
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (c.oid, a.attnum)
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND c.relname <> 'alembic_version'
UNION ALL
SELECT 'constraint', conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE connamespace = 'public'::regnamespace AND conrelid <> 'alembic_version'::regclass
UNION ALL
SELECT 'index', indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'alembic_version'
UNION ALL
SELECT 'trigger', tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
UNION ALL
SELECT 'function', proname, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace
"""


@pytest.fixture
def empty_database(postgres_server: PostgresServer) -> Iterator[str]:
    """The address of a database without a schema."""
    admin = libpq_url(postgres_server.url("postgres"))
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute("CREATE DATABASE migrations")
    yield postgres_server.url("migrations")
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute("DROP DATABASE migrations WITH (FORCE)")


@pytest.fixture
def engine(empty_database: str) -> Iterator[Engine]:
    engine = create_engine(empty_database, poolclass=NullPool)
    yield engine
    engine.dispose()


def catalog(engine: Engine) -> dict[tuple[str, str], str]:
    with engine.connect() as connection:
        rows = connection.execute(text(_CATALOG)).all()
    # The function's body is compared without its indentation.
    return {(kind, name): " ".join(str(definition).split()) for kind, name, definition in rows}


def test_the_migrated_schema_is_that_of_the_models(empty_database, engine):
    upgrade(empty_database)
    migrated = catalog(engine)
    with engine.begin() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
        # It takes a row of a table as its argument.
        connection.execute(text("DROP FUNCTION reserve_for_order"))
        Base.metadata.drop_all(connection)
        functions = "refuse_order_change, log_event_of_account, release_reservation, halt_trading"
        connection.execute(text(f"DROP FUNCTION {functions}"))
        Base.metadata.create_all(connection)
    assert catalog(engine) == migrated
    assert {("trigger", "orders_absorb"), ("function", "reserve_for_order")} <= set(migrated)


def test_an_upgrade_leaves_nothing_pending_and_can_be_repeated(empty_database):
    assert pending(empty_database)[-1] == head()
    upgrade(empty_database)
    assert pending(empty_database) == []
    upgrade(empty_database)


async def test_upgrades_at_once_do_not_meet(empty_database):
    await asyncio.gather(*(asyncio.to_thread(upgrade, empty_database) for _ in range(4)))
    assert pending(empty_database) == []


def test_an_upgrade_that_fails_leaves_nothing_behind(empty_database, engine):
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE swap_attempts (id int)"))
    with pytest.raises(Exception, match="swap_attempts"):
        upgrade(empty_database)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT to_regclass('orders')")) is None
    assert pending(empty_database) != []


def test_the_schema_of_a_newer_version_is_refused(empty_database, engine):
    upgrade(empty_database)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for attempt in (upgrade, pending):
        with pytest.raises(MigrationFailed, match="revision 9999"):
            attempt(empty_database)


def test_every_form_of_the_address_is_accepted(empty_database):
    assert pending(libpq_url(empty_database)) == pending(libpq_url(empty_database).replace("postgresql:", "postgres:"))


def test_a_server_out_of_reach_is_a_connection_error():
    with pytest.raises(ConnectionError, match="PostgreSQL does not answer"):
        upgrade("postgresql://postgres:secret@127.0.0.1:1/order_engine")
