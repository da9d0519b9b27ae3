-- The assistant's row, so that two changes get two versions.
SELECT assistant_id
FROM holdfast.assistants
WHERE tenant = %(tenant)s
  AND assistant_id = %(assistant_id)s
  AND metadata @> %(scope)s::jsonb
FOR UPDATE
