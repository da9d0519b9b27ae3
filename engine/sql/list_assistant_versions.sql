-- The versions of one assistant, newest first.
SELECT assistant_id, graph_id, name, description, config, context, metadata, version, created_at
FROM holdfast.assistant_versions
WHERE tenant = %(tenant)s
  AND assistant_id = %(assistant_id)s
  AND metadata @> %(metadata)s::jsonb
ORDER BY version DESC
LIMIT %(limit)s OFFSET %(offset)s
