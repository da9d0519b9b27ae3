-- Head of the planning statements: every checkpoint that stays and why, all read in one snapshot.
WITH RECURSIVE scope AS MATERIALIZED (
    SELECT s.*
    FROM unnest(
        %(thread_ids)s::text[],
        %(keep_last)s::integer[],
        %(keep_turns)s::integer[],
        %(keep_nested)s::integer[],
        %(age_floor)s::text[],
        %(thin_older)s::boolean[],
        %(keep_gates)s::boolean[],
        %(settle_floor)s::text[],
        %(grace_floor)s::text[],
        %(eligible_from)s::text[]
    ) AS s (
        thread_id, keep_last, keep_turns, keep_nested, age_floor, thin_older, keep_gates,
        settle_floor, grace_floor, eligible_from
    )
),
pinned AS MATERIALIZED (
    SELECT
        c.thread_id,
        c.checkpoint_ns,
        c.checkpoint_id,
        c.metadata -> 'parents' AS parents
    FROM unnest(
        %(pin_threads)s::text[], %(pin_namespaces)s::text[], %(pin_ids)s::text[]
    ) AS p (thread_id, checkpoint_ns, checkpoint_id)
    JOIN checkpoints AS c USING (thread_id, checkpoint_ns, checkpoint_id)
    WHERE c.thread_id = ANY(%(thread_ids)s)
),
-- A pin inside a subgraph pins the checkpoints that the subgraph was called from.
pin AS MATERIALIZED (
    SELECT thread_id, checkpoint_ns, checkpoint_id
    FROM pinned
    UNION
    SELECT p.thread_id, parent.key, parent.value
    FROM pinned AS p
    CROSS JOIN LATERAL jsonb_each_text(
        CASE jsonb_typeof(p.parents) WHEN 'object' THEN p.parents END
    ) AS parent
),
-- Every rule of the window is a lowest id: the window is what reaches the lowest of them.
root_window AS MATERIALIZED (
    SELECT
        s.*,
        least(counted.lowest, turned.lowest) AS count_floor,
        least(counted.lowest, turned.lowest, s.age_floor) AS cutoff
    FROM scope AS s
    CROSS JOIN LATERAL (
        SELECT coalesce((
            SELECT c.checkpoint_id
            FROM checkpoints AS c
            WHERE c.thread_id = s.thread_id
                AND c.checkpoint_ns = ''
            ORDER BY c.checkpoint_id DESC
            OFFSET s.keep_last - 1
            LIMIT 1
        ), '') AS lowest
    ) AS counted
    -- With durability "exit" no input is saved: a turn then shows as a leap of the step counter.
    CROSS JOIN LATERAL (
        SELECT CASE WHEN s.keep_turns > 0 THEN coalesce((
            SELECT c.checkpoint_id
            FROM checkpoints AS c
            LEFT JOIN LATERAL (
                SELECT p.metadata
                FROM checkpoints AS p
                WHERE p.thread_id = c.thread_id
                    AND p.checkpoint_ns = ''
                    AND p.checkpoint_id = c.parent_checkpoint_id
            ) AS parent ON true
            WHERE c.thread_id = s.thread_id
                AND c.checkpoint_ns = ''
                AND (
                    c.metadata ->> 'source' = 'input'
                    OR (
                        c.metadata ->> 'source' = 'loop'
                        AND (c.metadata ->> 'step')::integer
                        > coalesce((parent.metadata ->> 'step')::integer, -2) + 1
                    )
                )
            ORDER BY c.checkpoint_id DESC
            OFFSET s.keep_turns - 1
            LIMIT 1
        ), '') END AS lowest
    ) AS turned
),
older AS MATERIALIZED (
    SELECT
        c.thread_id,
        c.checkpoint_id,
        w.keep_gates,
        w.settle_floor
    FROM root_window AS w
    JOIN checkpoints AS c
        ON c.thread_id = w.thread_id
        AND c.checkpoint_ns = ''
        AND c.checkpoint_id < w.cutoff
    WHERE w.keep_gates OR w.settle_floor IS NOT NULL
),
successor AS MATERIALIZED (
    SELECT
        c.thread_id,
        c.parent_checkpoint_id AS checkpoint_id,
        bool_or(c.metadata ->> 'source' = 'loop') AS continued
    FROM checkpoints AS c
    WHERE c.thread_id = ANY(%(thread_ids)s)
        AND c.checkpoint_ns = ''
        AND c.parent_checkpoint_id IS NOT NULL
        AND EXISTS (SELECT FROM older)
    GROUP BY c.thread_id, c.parent_checkpoint_id
),
-- Nobody went on from these by running their step: a branch end, or a run that is still inside it.
unfinished AS MATERIALIZED (
    SELECT
        o.thread_id,
        o.checkpoint_id,
        o.keep_gates AND s.checkpoint_id IS NULL AS may_be_gate,
        coalesce(o.checkpoint_id >= o.settle_floor, false) AS may_be_running
    FROM older AS o
    LEFT JOIN successor AS s USING (thread_id, checkpoint_id)
    WHERE s.continued IS NOT TRUE
),
protected AS MATERIALIZED (
    SELECT
        u.thread_id,
        u.checkpoint_id,
        CASE WHEN gate.open THEN 'open gate' ELSE 'in flight' END AS reason
    FROM unfinished AS u
    CROSS JOIN LATERAL (
        SELECT u.may_be_gate AND EXISTS (
            SELECT
            FROM checkpoint_writes AS w
            WHERE w.thread_id = u.thread_id
                AND w.checkpoint_ns = ''
                AND w.checkpoint_id = u.checkpoint_id
                AND w.channel = '__interrupt__'
        ) AS open
    ) AS gate
    WHERE gate.open
        OR (u.may_be_running AND EXISTS (
            SELECT
            FROM checkpoints AS c
            WHERE c.thread_id = u.thread_id
                AND c.checkpoint_ns = ''
                AND c.checkpoint_id = u.checkpoint_id
                AND (
                    c.metadata ->> 'source' = 'input'
                    OR c.checkpoint -> 'updated_channels' ? '__pregel_tasks'
                    OR EXISTS (
                        SELECT
                        FROM jsonb_object_keys(c.checkpoint -> 'channel_values') AS channel
                        WHERE channel LIKE 'branch:%%'
                    )
                )
        ))
),
thinned AS MATERIALIZED (
    SELECT w.thread_id, last_of_run.checkpoint_id
    FROM root_window AS w
    CROSS JOIN LATERAL (
        SELECT max(numbered.checkpoint_id) AS checkpoint_id
        FROM (
            SELECT
                stepped.checkpoint_id,
                coalesce(
                    stepped.run_id,
                    count(*) FILTER (WHERE stepped.source = 'input' OR stepped.step > stepped.before + 1)
                        OVER (ORDER BY stepped.checkpoint_id)::text
                ) AS run
            FROM (
                SELECT
                    c.checkpoint_id,
                    c.metadata ->> 'run_id' AS run_id,
                    c.metadata ->> 'source' AS source,
                    (c.metadata ->> 'step')::integer AS step,
                    lag((c.metadata ->> 'step')::integer) OVER (ORDER BY c.checkpoint_id) AS before
                FROM checkpoints AS c
                WHERE c.thread_id = w.thread_id
                    AND c.checkpoint_ns = ''
            ) AS stepped
        ) AS numbered
        GROUP BY numbered.run
    ) AS last_of_run
    WHERE w.thin_older
        AND last_of_run.checkpoint_id < w.cutoff
),
root_kept AS MATERIALIZED (
    SELECT
        k.thread_id,
        k.checkpoint_id,
        k.reason,
        -- A fork replays its subgraphs from before its parent, even after the parent has gone; with
        -- durability "exit" every checkpoint does.
        c.parent_checkpoint_id AS parent_id
    FROM (
        SELECT
            w.thread_id,
            c.checkpoint_id,
            CASE WHEN c.checkpoint_id >= w.count_floor THEN 'window' ELSE 'recent' END AS reason
        FROM root_window AS w
        JOIN checkpoints AS c
            ON c.thread_id = w.thread_id
            AND c.checkpoint_ns = ''
            AND c.checkpoint_id >= w.cutoff
        UNION ALL
        SELECT thread_id, checkpoint_id, reason
        FROM protected
        UNION ALL
        SELECT thread_id, checkpoint_id, 'last of its run'
        FROM thinned
        UNION ALL
        SELECT thread_id, checkpoint_id, 'pinned'
        FROM pin
        WHERE checkpoint_ns = ''
    ) AS k
    JOIN checkpoints AS c
        ON c.thread_id = k.thread_id
        AND c.checkpoint_ns = ''
        AND c.checkpoint_id = k.checkpoint_id
),
-- Only a call has a ":" in its namespace; a stateful subgraph keeps one namespace for all calls.
subgraph AS MATERIALIZED (
    SELECT
        n.thread_id,
        n.checkpoint_ns,
        strpos(n.checkpoint_ns, ':') > 0 AS is_call,
        head.checkpoint_id AS head_id,
        head.parents,
        least(counted.lowest, s.age_floor) AS cutoff,
        s.grace_floor
    FROM (
        SELECT DISTINCT c.thread_id, c.checkpoint_ns
        FROM checkpoints AS c
        WHERE c.thread_id = ANY(%(thread_ids)s)
            AND c.checkpoint_ns > ''
    ) AS n
    JOIN scope AS s USING (thread_id)
    CROSS JOIN LATERAL (
        SELECT c.checkpoint_id, c.metadata -> 'parents' AS parents
        FROM checkpoints AS c
        WHERE c.thread_id = n.thread_id
            AND c.checkpoint_ns = n.checkpoint_ns
        ORDER BY c.checkpoint_id DESC
        LIMIT 1
    ) AS head
    CROSS JOIN LATERAL (
        SELECT coalesce((
            SELECT c.checkpoint_id
            FROM checkpoints AS c
            WHERE c.thread_id = n.thread_id
                AND c.checkpoint_ns = n.checkpoint_ns
            ORDER BY c.checkpoint_id DESC
            OFFSET s.keep_nested - 1
            LIMIT 1
        ), '') AS lowest
    ) AS counted
),
sub_window AS MATERIALIZED (
    SELECT n.thread_id, n.checkpoint_ns, c.checkpoint_id, n.is_call
    FROM subgraph AS n
    JOIN checkpoints AS c
        ON c.thread_id = n.thread_id
        AND c.checkpoint_ns = n.checkpoint_ns
        AND c.checkpoint_id >= n.cutoff
),
-- Replaying a kept checkpoint loads, in each stateful subgraph, the newest row before its bound.
replay_floor AS MATERIALIZED (
    SELECT DISTINCT n.thread_id, n.checkpoint_ns, f.checkpoint_id
    FROM subgraph AS n
    JOIN root_kept AS k USING (thread_id)
    CROSS JOIN LATERAL (VALUES (k.checkpoint_id), (k.parent_id)) AS replayed (bound)
    CROSS JOIN LATERAL (
        SELECT c.checkpoint_id
        FROM checkpoints AS c
        WHERE c.thread_id = n.thread_id
            AND c.checkpoint_ns = n.checkpoint_ns
            AND c.checkpoint_id < replayed.bound
        ORDER BY c.checkpoint_id DESC
        LIMIT 1
    ) AS f
    WHERE NOT n.is_call
),
caller AS MATERIALIZED (
    SELECT thread_id, '' AS checkpoint_ns, checkpoint_id FROM root_kept
    UNION
    SELECT thread_id, checkpoint_ns, checkpoint_id FROM sub_window
    UNION
    SELECT thread_id, checkpoint_ns, checkpoint_id FROM replay_floor
    UNION
    SELECT thread_id, checkpoint_ns, checkpoint_id FROM pin
),
-- Calls whose caller does not stay. A caller that was never saved is given time to appear.
lost AS MATERIALIZED (
    SELECT
        n.thread_id,
        n.checkpoint_ns,
        bool_or(p.checkpoint_id IS NOT NULL) OR bool_or(n.head_id < n.grace_floor) AS dead
    FROM subgraph AS n
    CROSS JOIN LATERAL jsonb_each_text(
        CASE jsonb_typeof(n.parents) WHEN 'object' THEN n.parents END
    ) AS parent
    LEFT JOIN caller AS k
        ON k.thread_id = n.thread_id
        AND k.checkpoint_ns = parent.key
        AND k.checkpoint_id = parent.value
    LEFT JOIN checkpoints AS p
        ON p.thread_id = n.thread_id
        AND p.checkpoint_ns = parent.key
        AND p.checkpoint_id = parent.value
    WHERE n.is_call
        AND k.checkpoint_id IS NULL
        AND NOT EXISTS (
            SELECT
            FROM pinned
            WHERE pinned.thread_id = n.thread_id
                AND pinned.checkpoint_ns = n.checkpoint_ns
        )
    GROUP BY n.thread_id, n.checkpoint_ns
),
asked_for AS MATERIALIZED (
    SELECT thread_id, '' AS checkpoint_ns, checkpoint_id, reason FROM root_kept
    UNION ALL
    SELECT
        w.thread_id,
        w.checkpoint_ns,
        w.checkpoint_id,
        CASE WHEN l.dead IS NULL THEN 'nested window' ELSE 'caller not saved yet' END
    FROM sub_window AS w
    LEFT JOIN lost AS l USING (thread_id, checkpoint_ns)
    WHERE l.dead IS NOT TRUE
    UNION ALL
    SELECT thread_id, checkpoint_ns, checkpoint_id, 'replay floor' FROM replay_floor
    UNION ALL
    SELECT thread_id, checkpoint_ns, checkpoint_id, 'pinned' FROM pin WHERE checkpoint_ns > ''
),
-- Checkpoints before format 4 read their pending sends from their parent's writes.
with_senders AS MATERIALIZED (
    SELECT thread_id, checkpoint_ns, checkpoint_id, reason FROM asked_for
    UNION ALL
    SELECT c.thread_id, c.checkpoint_ns, c.parent_checkpoint_id, 'pending sends'
    FROM asked_for AS k
    JOIN checkpoints AS c USING (thread_id, checkpoint_ns, checkpoint_id)
    WHERE (c.checkpoint ->> 'v')::integer < 4
        AND EXISTS (
            SELECT
            FROM checkpoint_writes AS w
            WHERE w.thread_id = c.thread_id
                AND w.checkpoint_ns = c.checkpoint_ns
                AND w.checkpoint_id = c.parent_checkpoint_id
                AND w.channel = '__pregel_tasks'
        )
),
-- A DeltaChannel without a stored value is rebuilt from its ancestors' writes.
delta_channel AS MATERIALIZED (
    SELECT DISTINCT c.thread_id, c.checkpoint_ns, counter.channel
    FROM with_senders AS k
    JOIN checkpoints AS c USING (thread_id, checkpoint_ns, checkpoint_id)
    CROSS JOIN LATERAL jsonb_object_keys(
        c.metadata -> 'counters_since_delta_snapshot'
    ) AS counter (channel)
),
history AS (
    SELECT k.thread_id, k.checkpoint_ns, k.checkpoint_id, d.channel, 0 AS distance
    FROM (SELECT DISTINCT thread_id, checkpoint_ns, checkpoint_id FROM with_senders) AS k
    JOIN delta_channel AS d USING (thread_id, checkpoint_ns)
    UNION
    SELECT c.thread_id, c.checkpoint_ns, c.parent_checkpoint_id, h.channel, 1
    FROM history AS h
    JOIN checkpoints AS c USING (thread_id, checkpoint_ns, checkpoint_id)
    WHERE c.parent_checkpoint_id IS NOT NULL
        -- A channel that was never written has no value to rebuild at the start of the walk.
        AND (h.distance = 1 OR c.checkpoint -> 'channel_versions' ? h.channel)
        AND coalesce(c.checkpoint -> 'channel_values' -> h.channel, 'null') = 'null'
        AND NOT EXISTS (
            SELECT
            FROM checkpoint_blobs AS b
            WHERE b.thread_id = c.thread_id
                AND b.checkpoint_ns = c.checkpoint_ns
                AND b.channel = h.channel
                AND b.version = c.checkpoint -> 'channel_versions' ->> h.channel
                AND b.type <> 'empty'
        )
),
kept AS MATERIALIZED (
    SELECT thread_id, checkpoint_ns, checkpoint_id, reason FROM with_senders
    UNION ALL
    SELECT DISTINCT thread_id, checkpoint_ns, checkpoint_id, 'delta history'
    FROM history
    WHERE distance = 1
)
