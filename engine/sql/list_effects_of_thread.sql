-- Side effects whose key begins with the thread's id or with a text of its state, such as an order's number.
SELECT effects.key, effects.name, effects.state, effects.attempts, effects.doubtful, effects.created_at, effects.updated_at
FROM holdfast.effects
WHERE effects.tenant = %(tenant)s
    AND split_part(effects.key, ':', 1) IN (
        SELECT threads.thread_id
        FROM holdfast.threads
        WHERE threads.tenant = %(tenant)s
            AND threads.thread_id = %(thread_id)s
        UNION ALL
        SELECT found.value #>> '{}'
        FROM holdfast.threads
        CROSS JOIN LATERAL jsonb_path_query(threads."values", 'strict $.** ? (@.type() == "string")') AS found (value)
        WHERE threads.tenant = %(tenant)s
            AND threads.thread_id = %(thread_id)s
    )
ORDER BY effects.created_at, effects.key
LIMIT %(limit)s
