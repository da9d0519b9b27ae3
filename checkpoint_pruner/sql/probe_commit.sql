-- Commit what nobody reads: the same wait as a writer's commit, and no table.
SELECT pg_logical_emit_message(true, 'checkpoint_pruner', '')
