-- Make an assistant, unless its id is taken.
INSERT INTO holdfast.assistants
    (tenant, assistant_id, graph_id, name, description, config, context, metadata)
VALUES
    (%(tenant)s, %(assistant_id)s, %(graph_id)s, %(name)s, %(description)s, %(config)s, %(context)s, %(metadata)s)
ON CONFLICT DO NOTHING
RETURNING assistant_id, graph_id, name, description, config, context, metadata, version, created_at, updated_at
