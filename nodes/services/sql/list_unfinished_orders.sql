-- List the orders that still hold an invoice, what money they hold, and what their thread is doing.
SELECT o.order_id, o.invoice_id, o.thread_id, o.created_at, r.department, r.currency, r.amount,
    CASE
        WHEN EXISTS (SELECT FROM holdfast.runs AS u
                     WHERE u.thread_id = o.thread_id AND u.status IN ('queued', 'running')) THEN 'running'
        WHEN EXISTS (SELECT FROM holdfast.gates AS g
                     WHERE g.thread_id = o.thread_id AND g.state IN ('open', 'claimed', 'scheduled')) THEN 'waiting'
        WHEN EXISTS (SELECT FROM holdfast.threads AS t WHERE t.thread_id = o.thread_id) THEN 'stopped'
        ELSE 'deleted'
    END AS thread
FROM holdfast.orders AS o
LEFT JOIN holdfast.reservations AS r
    ON r.tenant = o.tenant AND r.order_id = o.order_id AND r.state = 'open'
WHERE o.tenant = %(tenant)s
    AND o.stage NOT IN ('COMMITTED', 'REJECTED', 'FAILED')
    AND (%(order_id)s::text IS NULL OR o.order_id = %(order_id)s)
ORDER BY o.created_at, o.order_id
