-- What the first call with this key did.
SELECT fingerprint, resource_id, status, headers, body
FROM holdfast.idempotency_keys
WHERE tenant = %(tenant)s
  AND key = %(key)s
  AND route = %(route)s
