-- Keep new runs off the thread of an order while this transaction decides; no row when it was deleted.
SELECT t.thread_id
FROM holdfast.threads AS t
JOIN holdfast.orders AS o ON o.thread_id = t.thread_id
WHERE o.tenant = %(tenant)s AND o.order_id = %(order_id)s
FOR UPDATE OF t
