import psycopg


def test_each_test_gets_a_database_with_empty_checkpoint_tables(checkpoint_database: str) -> None:
    with psycopg.connect(checkpoint_database) as connection:
        row = connection.execute("SELECT count(*) FROM checkpoints").fetchone()

    assert row == (0,)
