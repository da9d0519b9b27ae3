"""The key that signs webhooks and links: given by the operator, or made once and kept."""

import secrets

from engine.database import Database, statement

KEY_BYTES = 32


async def signing_key(database: Database, configured: str | None, *, name: str) -> bytes:
    """Return the key for one purpose, the same in every process.

    Args:
        database: where a made key is kept.
        configured: the operator's own key; None makes one.
        name: the purpose, such as `webhooks`.
    """
    if configured is not None:
        return configured.encode()
    parameters = {"tenant": database.tenant, "name": name}
    async with database.transaction() as connection:
        await connection.execute(
            statement("insert_secret"),
            {**parameters, "value": secrets.token_urlsafe(KEY_BYTES)},
        )
        cursor = await connection.execute(statement("read_secret"), parameters)
        (row,) = await cursor.fetchall()
        return str(row["value"]).encode()
