-- Let this transaction put rows back whose parents are gone on purpose.
SELECT set_config('checkpoint_pruner.unguarded', 'on', true)
