-- Remove the guard's function.
DROP FUNCTION IF EXISTS {schema}.checkpoint_pruner_guard()
