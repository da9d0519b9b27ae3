-- Find a movement that was made before under the same key.
SELECT entry_id, kind, order_id, revision
FROM holdfast.ledger_entries
WHERE tenant = %(tenant)s AND key = %(key)s
