"""Outages: what fails says so soon, and what is back is used at once."""

import asyncio

import pytest
from sqlalchemy import text

from db.database import Database
from db.orders import OrderRepository
from db.settings import DatabaseSettings
from db.views import OrderReader
from tests.samples import first_events, order_event, order_terms
from tests.servers import PostgresServer
from workflows.domain.lifecycle import Status


async def test_a_restart_between_two_statements_is_not_noticed(postgres_server: PostgresServer, database: Database):
    await asyncio.gather(*(database.fetch(text("SELECT 1")) for _ in range(20)))
    await postgres_server.stop()
    await postgres_server.start()
    answers = await asyncio.gather(*(database.fetch(text("SELECT 1")) for _ in range(20)))
    assert [rows[0][0] for rows in answers] == [1] * 20


async def test_an_outage_is_a_connection_error_and_ends_with_it(postgres_server: PostgresServer, database: Database):
    orders, terms = OrderRepository(database), order_terms()
    await orders.create_order(terms, first_events())
    await postgres_server.stop()
    try:
        for _ in range(2):
            with pytest.raises(ConnectionError, match="PostgreSQL does not answer"):
                await orders.append_event(terms.order_id, order_event(3, Status.BUILDING))
    finally:
        await postgres_server.start()
    await orders.append_event(terms.order_id, order_event(3, Status.BUILDING))
    assert await OrderReader(database).last_seqs([terms.order_id]) == {terms.order_id: 3}


async def test_a_write_whose_answer_was_lost_is_repeated_without_harm(postgres_server: PostgresServer, database):
    orders, terms = OrderRepository(database), order_terms()
    await orders.create_order(terms, first_events())
    writes = [asyncio.create_task(orders.append_event(terms.order_id, order_event(3, Status.BUILDING)))]
    for _ in range(3):
        writes.append(asyncio.create_task(orders.append_event(terms.order_id, order_event(3, Status.BUILDING))))
        await postgres_server.stop()
        await postgres_server.start()
    answers = await asyncio.gather(*writes, return_exceptions=True)
    assert all(answer == order_event(3, Status.BUILDING) or isinstance(answer, ConnectionError) for answer in answers)
    await orders.append_event(terms.order_id, order_event(3, Status.FAILED))
    assert [event.seq for event in await OrderReader(database).events(terms.order_id)] == [1, 2, 3]


async def test_a_statement_that_takes_too_long_is_a_connection_error(database_url: str):
    database = Database(DatabaseSettings(database_url=database_url, database_statement_timeout=0.1))
    with pytest.raises(ConnectionError, match="statement timeout"):
        await database.fetch(text("SELECT pg_sleep(30)"))
    await database.close()


async def test_more_callers_than_connections_wait_their_turn(database_url: str):
    database = Database(DatabaseSettings(database_url=database_url, database_pool_size=1))
    rows = await asyncio.gather(*(database.fetch(text("SELECT pg_backend_pid()")) for _ in range(20)))
    assert len({row[0][0] for row in rows}) == 1
    await database.close()


async def test_a_server_that_hangs_is_a_connection_error(postgres_server: PostgresServer, database_url: str):
    settings = DatabaseSettings(
        database_url=database_url, database_statement_timeout=0.2, database_connect_timeout=2, database_pool_size=1
    )
    database = Database(settings)
    await database.fetch(text("SELECT 1"))
    postgres_server.freeze()
    try:
        with pytest.raises(ConnectionError):
            await database.fetch(text("SELECT 1"))
    finally:
        postgres_server.thaw()
    assert (await database.fetch(text("SELECT 1")))[0][0] == 1
    await database.close()


@pytest.mark.parametrize("address", ["mysql://localhost/orders", "orders", "", "sqlite:///orders.db"])
def test_another_database_is_refused(address: str):
    with pytest.raises(ValueError, match="postgresql"):
        DatabaseSettings(database_url=address)


def test_settings_do_not_show_the_password():
    settings = DatabaseSettings(database_url="postgresql://me:hunter2@localhost/orders")
    assert "hunter2" not in f"{settings!r} {settings.url} {settings.model_dump()}"
    assert settings.url.password == "hunter2"


def test_a_refused_address_is_not_shown():
    with pytest.raises(ValueError, match="form postgresql") as refusal:
        DatabaseSettings(database_url="hunter2@nowhere")
    assert "hunter2" not in str(refusal.value)
