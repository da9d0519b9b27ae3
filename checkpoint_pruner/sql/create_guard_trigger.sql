-- Guard every checkpoint that continues another; a bulk restore may set checkpoint_pruner.unguarded.
CREATE OR REPLACE TRIGGER checkpoint_pruner_guard
BEFORE INSERT ON {schema}.checkpoints
FOR EACH ROW
WHEN (
    (NEW.parent_checkpoint_id IS NOT NULL OR NEW.checkpoint_ns <> '')
    AND current_setting('checkpoint_pruner.unguarded', true) IS DISTINCT FROM 'on'
)
EXECUTE FUNCTION {schema}.checkpoint_pruner_guard()
