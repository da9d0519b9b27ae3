-- List the latest notices.
SELECT key, audience, thread_id, order_id, title, body, created_at
FROM holdfast.notices
WHERE tenant = %(tenant)s AND (%(audience)s::text IS NULL OR audience = %(audience)s)
ORDER BY created_at DESC, key
LIMIT %(limit)s
