-- Open an entry of the journal under its key.
INSERT INTO holdfast.ledger_entries (tenant, key, kind, order_id, revision, actor, reason)
VALUES (%(tenant)s, %(key)s, %(kind)s, %(order_id)s, %(revision)s, %(actor)s, %(reason)s)
RETURNING entry_id
