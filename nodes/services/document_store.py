"""Documents in Postgres, by the hash of their content."""

import hashlib

from nodes.services.database import Database, statement
from state.purchase_order import DocumentRef


class PostgresDocumentStore:
    """Keeps documents in Postgres."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, content: bytes, *, filename: str, media_type: str | None) -> DocumentRef:
        """Keep a document; keeping it again changes nothing."""
        kept = document_ref(content, filename=filename, media_type=media_type)
        await self._database.fetch_all(
            statement("put_document"),
            {
                "sha256": kept["ref"],
                "filename": filename,
                "media_type": media_type,
                "size": kept["size"],
                "content": content,
            },
        )
        return kept

    async def get(self, ref: str) -> tuple[DocumentRef, bytes] | None:
        """Return a kept document and its content."""
        row = await self._database.fetch_one(statement("get_document"), {"sha256": ref})
        if row is None:
            return None
        content = bytes(row["content"])
        return document_ref(
            content, filename=row["filename"], media_type=row["media_type"]
        ), content


def document_ref(content: bytes, *, filename: str, media_type: str | None) -> DocumentRef:
    """Return what stands for a document in the state."""
    return {
        "ref": hashlib.sha256(content).hexdigest(),
        "filename": filename,
        "media_type": media_type,
        "size": len(content),
    }
