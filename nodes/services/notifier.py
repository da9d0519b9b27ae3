"""Notices for people, in Postgres; each is left once."""

import logging
from typing import Literal

from nodes.services.database import Database, statement

log = logging.getLogger(__name__)


class PostgresNotifier:
    """Leaves notices in a table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def notify(
        self,
        key: str,
        *,
        audience: Literal["requester", "operator"],
        thread_id: str,
        order_id: str | None,
        title: str,
        body: str,
    ) -> None:
        """Leave a notice, once per key."""
        await self._database.fetch_all(
            statement("put_notice"),
            {
                "key": key,
                "audience": audience,
                "thread_id": thread_id,
                "order_id": order_id,
                "title": title,
                "body": body,
            },
        )
        if audience == "operator":
            log.warning("operator_notice", extra={"key": key, "thread_id": thread_id})
