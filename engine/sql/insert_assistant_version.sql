-- Keep the assistant as it is now under its version.
INSERT INTO holdfast.assistant_versions
    (tenant, assistant_id, version, graph_id, name, description, config, context, metadata)
SELECT tenant, assistant_id, version, graph_id, name, description, config, context, metadata
FROM holdfast.assistants
WHERE tenant = %(tenant)s
  AND assistant_id = %(assistant_id)s
