-- Remove the list of deleted threads.
DROP TABLE IF EXISTS {schema}.checkpoint_pruner_tombstones
