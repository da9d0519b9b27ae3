-- List every order whose stage, money and register entry do not agree; what is under way has a delay.
WITH settled AS (
    SELECT clock_timestamp() - make_interval(secs => %(settle_seconds)s) AS at
), registered AS (
    SELECT reference, department, currency, amount, updated_at
    FROM holdfast.register_orders
    WHERE tenant = %(tenant)s
        AND state = 'open'
        AND %(register)s
)
SELECT 'order ended and still holds money' AS rule, o.order_id AS subject
FROM holdfast.orders AS o
JOIN holdfast.reservations AS r
    ON r.tenant = o.tenant AND r.order_id = o.order_id AND r.state = 'open'
CROSS JOIN settled
WHERE o.tenant = %(tenant)s
    AND o.stage IN ('COMMITTED', 'REJECTED', 'FAILED')
    AND o.updated_at < settled.at
UNION ALL
SELECT 'order is committed and its money is not spent', o.order_id
FROM holdfast.orders AS o
WHERE o.tenant = %(tenant)s
    AND o.stage = 'COMMITTED'
    AND NOT EXISTS (SELECT FROM holdfast.reservations AS r
                    WHERE r.tenant = o.tenant AND r.order_id = o.order_id AND r.state IN ('open', 'committed'))
UNION ALL
SELECT 'money is spent and the order is not committed', r.order_id
FROM holdfast.reservations AS r
LEFT JOIN holdfast.orders AS o
    ON o.tenant = r.tenant AND o.order_id = r.order_id
CROSS JOIN settled
WHERE r.tenant = %(tenant)s
    AND r.state = 'committed'
    AND o.stage IS DISTINCT FROM 'COMMITTED'
    AND r.updated_at < settled.at
UNION ALL
SELECT 'the register has an order that is not committed', g.reference
FROM registered AS g
LEFT JOIN holdfast.orders AS o
    ON o.tenant = %(tenant)s AND o.order_id = g.reference
CROSS JOIN settled
WHERE coalesce(o.stage, 'FAILED') NOT IN ('COMMITTED', 'IN_DOUBT')
    AND g.updated_at < settled.at
UNION ALL
SELECT 'the register lacks a committed order', o.order_id
FROM holdfast.orders AS o
JOIN holdfast.effects AS e
    ON e.tenant = o.tenant AND e.key = o.order_id || ':order' AND e.result ->> 'erp_order_id' LIKE 'R-%%'
WHERE o.tenant = %(tenant)s
    AND o.stage = 'COMMITTED'
    AND %(register)s
    AND NOT EXISTS (SELECT FROM registered AS g WHERE g.reference = o.order_id)
UNION ALL
SELECT 'the register differs from the money spent', g.reference
FROM registered AS g
JOIN holdfast.reservations AS r
    ON r.tenant = %(tenant)s AND r.order_id = g.reference AND r.state = 'committed'
WHERE (g.department, g.currency, g.amount) IS DISTINCT FROM (r.department, r.currency, r.amount)
ORDER BY rule, subject
