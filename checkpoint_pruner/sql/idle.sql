-- Head of the expiry statements: threads idle for longer than their limit that neither wait nor run.
WITH idle AS MATERIALIZED (
    SELECT s.thread_id
    FROM unnest(
        %(thread_ids)s::text[], %(expiry_floor)s::text[]
    ) AS s (thread_id, expiry_floor)
    CROSS JOIN LATERAL (
        SELECT c.checkpoint, c.metadata
        FROM checkpoints AS c
        WHERE c.thread_id = s.thread_id
            AND c.checkpoint_ns = ''
        ORDER BY c.checkpoint_id DESC
        LIMIT 1
    ) AS head
    WHERE NOT EXISTS (
            SELECT
            FROM checkpoints AS c
            WHERE c.thread_id = s.thread_id
                AND c.checkpoint_id >= s.expiry_floor
        )
        AND NOT EXISTS (
            SELECT
            FROM unnest(%(pin_threads)s::text[]) AS pin (thread_id)
            WHERE pin.thread_id = s.thread_id
        )
        -- A question nobody has answered: on a branch end, whichever branch it is.
        AND NOT EXISTS (
            SELECT
            FROM checkpoint_writes AS w
            WHERE w.thread_id = s.thread_id
                AND w.checkpoint_ns = ''
                AND w.channel = '__interrupt__'
                AND NOT EXISTS (
                    SELECT
                    FROM checkpoints AS child
                    WHERE child.thread_id = w.thread_id
                        AND child.checkpoint_ns = ''
                        AND child.parent_checkpoint_id = w.checkpoint_id
                )
        )
        -- A next step that has not been run, be it for a breakpoint, a crash or a live worker. It shows
        -- as in kept.sql.
        AND head.metadata ->> 'source' IS DISTINCT FROM 'input'
        AND NOT jsonb_path_exists(
            head.checkpoint, '$.channel_values.keyvalue() ? (@.key starts with "branch:")'
        )
        AND NOT jsonb_path_exists(
            head.checkpoint,
            '$.updated_channels[*] ? (
                @ starts with "branch:" || @ starts with "join:" || @ == "__pregel_tasks"
            )'
        )
        AND (
            jsonb_typeof(head.checkpoint -> 'updated_channels') IS NOT DISTINCT FROM 'array'
            OR NOT EXISTS (
                SELECT
                FROM jsonb_each_text(head.checkpoint -> 'channel_versions') AS v
                JOIN checkpoint_blobs AS b
                    ON b.thread_id = s.thread_id
                    AND b.checkpoint_ns = ''
                    AND b.channel = v.key
                    AND b.version = v.value
                WHERE v.key ~ '^(branch:|join:|__pregel_tasks$)'
                    AND b.type <> 'empty'
                    AND b.blob NOT IN ('\x90', '\xc70f0093a86275696c74696e73a373657490')
            )
        )
)
