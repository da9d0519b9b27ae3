-- List every broken invariant of the ledger; no row is the proof that the books are right.
WITH balances AS (
    SELECT department, currency,
        coalesce(-sum(amount) FILTER (WHERE account = 'granted'), 0) AS granted,
        coalesce(sum(amount) FILTER (WHERE account = 'available'), 0) AS available,
        coalesce(sum(amount) FILTER (WHERE account = 'reserved'), 0) AS reserved,
        coalesce(sum(amount) FILTER (WHERE account = 'committed'), 0) AS committed
    FROM holdfast.ledger_postings
    WHERE tenant = %(tenant)s
    GROUP BY department, currency
), held AS (
    SELECT department, currency,
        coalesce(sum(amount) FILTER (WHERE state = 'open'), 0) AS reserved,
        coalesce(sum(amount) FILTER (WHERE state = 'committed'), 0) AS committed
    FROM holdfast.reservations
    WHERE tenant = %(tenant)s
    GROUP BY department, currency
), movements AS (
    SELECT r.order_id, r.revision, r.state,
        count(*) FILTER (WHERE e.kind = 'reserve') AS reserves,
        count(*) FILTER (WHERE e.kind = 'commit') AS commits,
        count(*) FILTER (WHERE e.kind = 'release') AS releases
    FROM holdfast.reservations AS r
    LEFT JOIN holdfast.ledger_entries AS e
        ON e.tenant = r.tenant AND e.order_id = r.order_id AND e.revision = r.revision
    WHERE r.tenant = %(tenant)s
    GROUP BY r.order_id, r.revision, r.state
)
SELECT 'entry does not balance' AS rule, entry_id::text AS subject
FROM holdfast.ledger_postings
WHERE tenant = %(tenant)s
GROUP BY entry_id, currency
HAVING sum(amount) <> 0
UNION ALL
SELECT 'budget differs from its journal', b.department || '/' || b.currency
FROM holdfast.budgets AS b
LEFT JOIN balances AS j USING (department, currency)
WHERE b.tenant = %(tenant)s
    AND (b.limit_amount, b.available, b.reserved, b.committed)
        IS DISTINCT FROM
        (coalesce(j.granted, 0), coalesce(j.available, 0), coalesce(j.reserved, 0), coalesce(j.committed, 0))
UNION ALL
SELECT 'budget differs from its reservations', b.department || '/' || b.currency
FROM holdfast.budgets AS b
LEFT JOIN held AS h USING (department, currency)
WHERE b.tenant = %(tenant)s
    AND (b.reserved, b.committed) IS DISTINCT FROM (coalesce(h.reserved, 0), coalesce(h.committed, 0))
UNION ALL
SELECT 'reservation was not moved once each way', order_id || '/' || revision
FROM movements
WHERE reserves <> 1
    OR commits <> (state = 'committed')::integer
    OR releases <> (state = 'released')::integer
ORDER BY rule, subject
