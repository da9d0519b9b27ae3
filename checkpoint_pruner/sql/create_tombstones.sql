-- Deleted threads, by the hash of their id, so that late writers of them can be told apart.
CREATE TABLE IF NOT EXISTS {schema}.checkpoint_pruner_tombstones (
    thread_hash bigint PRIMARY KEY,
    deleted_before text NOT NULL,
    deleted_at timestamptz NOT NULL DEFAULT now()
)
