-- Guard the rest of this transaction again.
SELECT set_config('checkpoint_pruner.unguarded', 'off', true)
