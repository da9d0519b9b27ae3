-- Remove the guard's trigger.
DROP TRIGGER IF EXISTS checkpoint_pruner_guard ON {schema}.checkpoints
