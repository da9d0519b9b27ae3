-- Version of the checkpoint schema.
SELECT max(m.v) AS version
FROM checkpoint_migrations AS m
