-- Change what is given, as the next version.
UPDATE holdfast.assistants
SET graph_id = coalesce(%(graph_id)s, graph_id),
    name = coalesce(%(name)s, name),
    description = coalesce(%(description)s, description),
    config = coalesce(%(config)s::jsonb, config),
    context = coalesce(%(context)s::jsonb, context),
    metadata = metadata || %(metadata)s::jsonb,
    version = (
        SELECT max(assistant_versions.version) + 1
        FROM holdfast.assistant_versions
        WHERE assistant_versions.tenant = %(tenant)s
          AND assistant_versions.assistant_id = %(assistant_id)s
    ),
    updated_at = clock_timestamp()
WHERE tenant = %(tenant)s
  AND assistant_id = %(assistant_id)s
RETURNING assistant_id, graph_id, name, description, config, context, metadata, version, created_at, updated_at
