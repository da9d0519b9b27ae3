-- Keep what a call made, and its answer if there is one already.
UPDATE holdfast.idempotency_keys
SET resource_id = coalesce(%(resource_id)s, resource_id),
    status = coalesce(%(status)s, status),
    headers = %(headers)s,
    body = %(body)s
WHERE tenant = %(tenant)s
  AND key = %(key)s
  AND route = %(route)s
