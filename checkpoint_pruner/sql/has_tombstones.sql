-- Whether the guard keeps a list of deleted threads here that this role may change.
SELECT to_regclass('checkpoint_pruner_tombstones') IS NOT NULL
    AND has_table_privilege(
        to_regclass('checkpoint_pruner_tombstones')::oid, %(privilege)s
    ) AS permitted
