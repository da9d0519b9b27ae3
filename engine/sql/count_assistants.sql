-- How many assistants fit.
SELECT count(*) AS total
FROM holdfast.assistants
WHERE tenant = %(tenant)s
  AND metadata @> %(metadata)s::jsonb
  AND metadata @> %(scope)s::jsonb
  AND (%(graph_id)s::text IS NULL OR graph_id = %(graph_id)s)
  AND (%(name)s::text IS NULL OR strpos(lower(name), lower(%(name)s)) > 0)
