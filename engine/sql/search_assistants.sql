-- Assistants that fit; the order and the page are added.
SELECT assistant_id, graph_id, name, description, config, context, metadata, version, created_at, updated_at
FROM holdfast.assistants
WHERE tenant = %(tenant)s
  AND metadata @> %(metadata)s::jsonb
  AND metadata @> %(scope)s::jsonb
  AND (%(graph_id)s::text IS NULL OR graph_id = %(graph_id)s)
  AND (%(name)s::text IS NULL OR strpos(lower(name), lower(%(name)s)) > 0)
