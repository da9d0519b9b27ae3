"""The pool is back with the server, on a real one."""

from collections.abc import Callable

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg_pool import PoolTimeout

from engine.database import NETWORK_OPTIONS, network_options, open_database


async def test_the_first_request_after_all_connections_were_lost_is_served(
    migrated_database: str, end_connections: Callable[[str], None]
) -> None:
    async with open_database(migrated_database, max_connections=10) as database:
        await database.pool.wait()
        end_connections("holdfast%")

        async with database.pool.connection() as connection:
            cursor = await connection.execute("SELECT 1 AS one")

            assert await cursor.fetchone() == {"one": 1}


async def test_a_connection_that_has_only_something_to_say_stays(migrated_database: str) -> None:
    async with open_database(migrated_database, max_connections=1) as database:
        async with database.pool.connection() as connection:
            pid = connection.info.backend_pid
            await connection.execute("LISTEN gossip")
        with psycopg.connect(migrated_database, autocommit=True) as other:
            other.execute("NOTIFY gossip")

        async with database.pool.connection() as connection:
            assert connection.info.backend_pid == pid


async def test_without_a_server_a_request_gives_up_in_its_time(
    migrated_database: str, end_connections: Callable[[str], None]
) -> None:
    async with open_database(migrated_database, max_connections=2) as database:
        database.pool.conninfo = make_conninfo(migrated_database, port=1)
        end_connections("holdfast%")

        with pytest.raises(PoolTimeout):
            await database.pool.getconn(timeout=0.5)


def test_what_the_connection_string_says_about_the_network_counts() -> None:
    options = network_options("postgresql://localhost/db?connect_timeout=30&keepalives_idle=60")

    assert NETWORK_OPTIONS.keys() - options.keys() == {"connect_timeout", "keepalives_idle"}
    assert options.items() <= NETWORK_OPTIONS.items()
