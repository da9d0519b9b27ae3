-- Remember a supplier and the accounts that it was paid to.
INSERT INTO holdfast.suppliers AS s (tenant, supplier_id, name, accounts)
VALUES (%(tenant)s, %(supplier_id)s, %(name)s, %(accounts)s)
ON CONFLICT (tenant, supplier_id) DO UPDATE
SET accounts = ARRAY(SELECT DISTINCT account FROM unnest(s.accounts || excluded.accounts) AS account ORDER BY account),
    updated_at = clock_timestamp()
