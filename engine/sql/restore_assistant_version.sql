-- Make an earlier version the one that runs.
UPDATE holdfast.assistants AS assistant
SET graph_id = kept.graph_id,
    name = kept.name,
    description = kept.description,
    config = kept.config,
    context = kept.context,
    metadata = kept.metadata,
    version = kept.version,
    updated_at = clock_timestamp()
FROM holdfast.assistant_versions AS kept
WHERE assistant.tenant = %(tenant)s
  AND assistant.assistant_id = %(assistant_id)s
  AND kept.tenant = assistant.tenant
  AND kept.assistant_id = assistant.assistant_id
  AND kept.version = %(version)s
RETURNING assistant.assistant_id, assistant.graph_id, assistant.name, assistant.description,
          assistant.config, assistant.context, assistant.metadata, assistant.version,
          assistant.created_at, assistant.updated_at
