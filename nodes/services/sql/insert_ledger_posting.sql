-- Post one side of an entry.
INSERT INTO holdfast.ledger_postings (tenant, entry_id, department, currency, account, amount)
VALUES (%(tenant)s, %(entry_id)s, %(department)s, %(currency)s, %(account)s, %(amount)s)
