-- Remove an assistant with all its versions.
DELETE FROM holdfast.assistants
WHERE tenant = %(tenant)s
  AND assistant_id = %(assistant_id)s
