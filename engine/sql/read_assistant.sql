-- One assistant that the caller may see.
SELECT assistant_id, graph_id, name, description, config, context, metadata, version, created_at, updated_at
FROM holdfast.assistants
WHERE tenant = %(tenant)s
  AND assistant_id = %(assistant_id)s
  AND metadata @> %(scope)s::jsonb
