-- One secret.
SELECT value
FROM holdfast.secrets
WHERE tenant = %(tenant)s
  AND name = %(name)s
