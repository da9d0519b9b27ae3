-- Head of the planning statements: every checkpoint that stays and why, all read in one snapshot.
-- Lookups in a table are LATERAL with LIMIT or OFFSET 0, so that they cannot turn into scans of it;
-- everything else joins sets of this statement, by hash (the session forbids other nested loops).
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
        %(trace_floor)s::text[],
        %(grace_floor)s::text[]
    ) AS s (
        thread_id, keep_last, keep_turns, keep_nested, age_floor, thin_older, keep_gates,
        settle_floor, trace_floor, grace_floor
    )
),
-- Threads whose runs leave no trace until they end, as with durability "exit", and that had one
-- lately: another may be about to name values of whatever was the head meanwhile. Of such a run only
-- the last step is saved, a leap of the step counter.
waiting AS MATERIALIZED (
    SELECT DISTINCT s.thread_id
    FROM scope AS s
    CROSS JOIN LATERAL (
        SELECT c.parent_checkpoint_id AS parent_id, (c.metadata ->> 'step')::integer AS step
        FROM checkpoints AS c
        WHERE c.thread_id = s.thread_id
            AND c.checkpoint_ns = ''
            AND c.checkpoint_id >= s.trace_floor
            AND c.metadata ->> 'source' = 'loop'
        OFFSET 0
    ) AS young
    CROSS JOIN LATERAL (
        SELECT
        FROM checkpoints AS c
        WHERE c.thread_id = s.thread_id
            AND c.checkpoint_ns = ''
            AND c.checkpoint_id = young.parent_id
            AND (c.metadata ->> 'step')::integer + 1 < young.step
        LIMIT 1
    ) AS leapt
),
pinned AS MATERIALIZED (
    SELECT p.thread_id, p.checkpoint_ns, p.checkpoint_id, found.parents
    FROM unnest(
        %(pin_threads)s::text[], %(pin_namespaces)s::text[], %(pin_ids)s::text[]
    ) AS p (thread_id, checkpoint_ns, checkpoint_id)
    CROSS JOIN LATERAL (
        SELECT c.metadata -> 'parents' AS parents
        FROM checkpoints AS c
        WHERE c.thread_id = p.thread_id
            AND c.checkpoint_ns = p.checkpoint_ns
            AND c.checkpoint_id = p.checkpoint_id
        LIMIT 1
    ) AS found
    WHERE p.thread_id = ANY(%(thread_ids)s)
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
        OFFSET 0
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
        OFFSET 0
    ) AS turned
),
-- Questions to a person, and steps young enough that a run may still be inside them: where the
-- window does not reach, these stay if nobody has gone on from them.
question AS MATERIALIZED (
    SELECT DISTINCT w.thread_id, w.checkpoint_id
    FROM checkpoint_writes AS w
    JOIN root_window AS r USING (thread_id)
    WHERE w.thread_id = ANY(%(thread_ids)s)
        AND w.checkpoint_ns = ''
        AND w.channel = '__interrupt__'
        AND w.checkpoint_id < r.cutoff
        AND r.keep_gates
),
young AS MATERIALIZED (
    SELECT r.thread_id, found.checkpoint_id
    FROM root_window AS r
    CROSS JOIN LATERAL (
        SELECT c.checkpoint_id
        FROM checkpoints AS c
        WHERE c.thread_id = r.thread_id
            AND c.checkpoint_ns = ''
            AND c.checkpoint_id < r.cutoff
            AND c.checkpoint_id >= r.settle_floor
        OFFSET 0
    ) AS found
),
child AS MATERIALIZED (
    SELECT
        c.thread_id,
        c.parent_checkpoint_id AS checkpoint_id,
        c.checkpoint_id AS child_id,
        c.metadata ->> 'source' = 'loop' AS continued
    FROM checkpoints AS c
    WHERE c.thread_id = ANY(%(thread_ids)s)
        AND c.checkpoint_ns = ''
        AND c.parent_checkpoint_id IS NOT NULL
        AND (EXISTS (SELECT FROM question) OR EXISTS (SELECT FROM young))
),
open_gate AS MATERIALIZED (
    SELECT q.thread_id, q.checkpoint_id
    FROM question AS q
    WHERE NOT EXISTS (
        SELECT
        FROM child
        WHERE child.thread_id = q.thread_id
            AND child.checkpoint_id = q.checkpoint_id
    )
),
-- The same inside stateful subgraphs, whose one namespace all runs share.
nested_young AS MATERIALIZED (
    SELECT n.thread_id, n.checkpoint_ns, n.cutoff, found.*
    FROM subgraph AS n
    JOIN scope AS s USING (thread_id)
    CROSS JOIN LATERAL (
        SELECT
            c.checkpoint_id,
            c.parent_checkpoint_id AS parent_id,
            c.metadata ->> 'source' = 'loop' AS continues
        FROM checkpoints AS c
        WHERE c.thread_id = n.thread_id
            AND c.checkpoint_ns = n.checkpoint_ns
            AND c.checkpoint_id >= s.settle_floor
        OFFSET 0
    ) AS found
    WHERE NOT n.is_call
),
-- Nobody ran the step of these: it ended the run, or a run is still inside it.
unfinished AS MATERIALIZED (
    SELECT y.thread_id, '' AS checkpoint_ns, y.checkpoint_id
    FROM young AS y
    WHERE NOT EXISTS (
        SELECT
        FROM child
        WHERE child.continued
            AND child.thread_id = y.thread_id
            AND child.checkpoint_id = y.checkpoint_id
    )
    UNION ALL
    SELECT y.thread_id, y.checkpoint_ns, y.checkpoint_id
    FROM nested_young AS y
    WHERE y.checkpoint_id < y.cutoff
        AND NOT EXISTS (
            SELECT
            FROM nested_young AS child
            WHERE child.continues
                AND child.thread_id = y.thread_id
                AND child.checkpoint_ns = y.checkpoint_ns
                AND child.parent_id = y.checkpoint_id
        )
),
-- A next step shows in the channels that trigger it: those of edges, of edges from several nodes and
-- of sends. Where a checkpoint does not say which of them were written last, as after an update by
-- hand, it is asked for their stored values; those of a step that has been taken are the empty list
-- and the empty set.
in_flight AS MATERIALIZED (
    SELECT u.thread_id, u.checkpoint_ns, u.checkpoint_id
    FROM unfinished AS u
    CROSS JOIN LATERAL (
        SELECT
        FROM checkpoints AS c
        WHERE c.thread_id = u.thread_id
            AND c.checkpoint_ns = u.checkpoint_ns
            AND c.checkpoint_id = u.checkpoint_id
            AND (
                c.metadata ->> 'source' = 'input'
                OR jsonb_path_exists(
                    c.checkpoint, '$.channel_values.keyvalue() ? (@.key starts with "branch:")'
                )
                OR jsonb_path_exists(
                    c.checkpoint,
                    '$.updated_channels[*] ? (
                        @ starts with "branch:" || @ starts with "join:" || @ == "__pregel_tasks"
                    )'
                )
                OR (
                    jsonb_typeof(c.checkpoint -> 'updated_channels') IS DISTINCT FROM 'array'
                    AND (
                        SELECT true
                        FROM jsonb_each_text(c.checkpoint -> 'channel_versions') AS v
                        JOIN checkpoint_blobs AS b
                            ON b.thread_id = c.thread_id
                            AND b.checkpoint_ns = c.checkpoint_ns
                            AND b.channel = v.key
                            AND b.version = v.value
                        WHERE v.key ~ '^(branch:|join:|__pregel_tasks$)'
                            AND b.type <> 'empty'
                            AND b.blob NOT IN ('\x90', '\xc70f0093a86275696c74696e73a373657490')
                        LIMIT 1
                    ) IS NOT NULL
                )
            )
        LIMIT 1
    ) AS pending
),
-- Where no run is named, one begins at an input, at a leap of the step counter (durability "exit")
-- and wherever a checkpoint does not continue the one before it; so the last ones of runs are still
-- such when they are all that is left.
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
                    count(*) FILTER (
                        WHERE stepped.source = 'input'
                            OR stepped.step > stepped.before + 1
                            OR stepped.parent_id IS DISTINCT FROM stepped.preceding_id
                    ) OVER (ORDER BY stepped.checkpoint_id)::text
                ) AS run
            FROM (
                SELECT
                    c.checkpoint_id,
                    c.parent_checkpoint_id AS parent_id,
                    lag(c.checkpoint_id) OVER (ORDER BY c.checkpoint_id) AS preceding_id,
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
-- Where a stateful subgraph was called from in which a question is open, though the graphs above have
-- moved on, by updates by hand for instance: who answers or edits it may come by way of that.
suspended AS MATERIALIZED (
    SELECT n.thread_id, caller.key AS checkpoint_ns, caller.value AS checkpoint_id
    FROM subgraph AS n
    JOIN scope AS s USING (thread_id)
    CROSS JOIN LATERAL jsonb_each_text(
        CASE jsonb_typeof(n.parents) WHEN 'object' THEN n.parents END
    ) AS caller
    WHERE s.keep_gates
        AND NOT n.is_call
        AND (
            SELECT true
            FROM checkpoint_writes AS w
            WHERE w.thread_id = n.thread_id
                AND w.checkpoint_ns = n.checkpoint_ns
                AND w.checkpoint_id = n.head_id
                AND w.channel = '__interrupt__'
            LIMIT 1
        ) IS NOT NULL
),
beside_window AS MATERIALIZED (
    SELECT thread_id, checkpoint_id, 'open gate' AS reason
    FROM open_gate
    UNION ALL
    SELECT s.thread_id, s.checkpoint_id, 'open gate'
    FROM suspended AS s
    JOIN root_window AS r USING (thread_id)
    WHERE s.checkpoint_ns = ''
        AND s.checkpoint_id < r.cutoff
    UNION ALL
    SELECT thread_id, checkpoint_id, 'in flight'
    FROM in_flight
    WHERE checkpoint_ns = ''
    UNION ALL
    SELECT thread_id, checkpoint_id, 'last of its run'
    FROM thinned
    UNION ALL
    SELECT thread_id, checkpoint_id, 'pinned'
    FROM pin
    WHERE checkpoint_ns = ''
),
root_kept AS MATERIALIZED (
    SELECT
        w.thread_id,
        young.checkpoint_id,
        CASE WHEN young.checkpoint_id >= w.count_floor THEN 'window' ELSE 'recent' END AS reason
    FROM root_window AS w
    CROSS JOIN LATERAL (
        SELECT c.checkpoint_id
        FROM checkpoints AS c
        WHERE c.thread_id = w.thread_id
            AND c.checkpoint_ns = ''
            AND c.checkpoint_id >= w.cutoff
        OFFSET 0
    ) AS young
    UNION ALL
    SELECT thread_id, checkpoint_id, reason
    FROM beside_window
    UNION ALL
    -- Where somebody went on from a question, one step of that stays with it: without any, the question
    -- would look open to the next sweep, and for ever.
    SELECT k.thread_id, max(child.child_id), k.reason
    FROM beside_window AS k
    JOIN question AS q USING (thread_id, checkpoint_id)
    JOIN child USING (thread_id, checkpoint_id)
    GROUP BY k.thread_id, k.checkpoint_id, k.reason
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
    SELECT n.thread_id, n.checkpoint_ns, young.checkpoint_id
    FROM subgraph AS n
    CROSS JOIN LATERAL (
        SELECT c.checkpoint_id
        FROM checkpoints AS c
        WHERE c.thread_id = n.thread_id
            AND c.checkpoint_ns = n.checkpoint_ns
            AND c.checkpoint_id >= n.cutoff
        OFFSET 0
    ) AS young
),
-- Replaying a kept checkpoint loads, in each stateful subgraph, the newest row before its bound: the
-- checkpoint itself, but for a fork its parent, even after that has gone; with durability "exit" the
-- parent of any.
replay_bound AS MATERIALIZED (
    SELECT k.thread_id, replayed.bound
    FROM root_kept AS k
    CROSS JOIN LATERAL (
        SELECT c.parent_checkpoint_id AS parent_id
        FROM checkpoints AS c
        WHERE c.thread_id = k.thread_id
            AND c.checkpoint_ns = ''
            AND c.checkpoint_id = k.checkpoint_id
        LIMIT 1
    ) AS found
    CROSS JOIN LATERAL (VALUES (k.checkpoint_id), (found.parent_id)) AS replayed (bound)
    UNION
    -- With durability "exit" or "async" a subgraph may save before the checkpoint that called it: one
    -- that is not there yet is given time to appear.
    SELECT n.thread_id, n.parents ->> ''
    FROM subgraph AS n
    WHERE NOT n.is_call
        AND n.head_id >= n.grace_floor
        AND (
            SELECT true
            FROM checkpoints AS c
            WHERE c.thread_id = n.thread_id
                AND c.checkpoint_ns = ''
                AND c.checkpoint_id = n.parents ->> ''
            LIMIT 1
        ) IS NULL
),
replay_floor AS MATERIALIZED (
    SELECT DISTINCT n.thread_id, n.checkpoint_ns, f.checkpoint_id
    FROM subgraph AS n
    JOIN replay_bound AS b USING (thread_id)
    CROSS JOIN LATERAL (
        SELECT c.checkpoint_id
        FROM checkpoints AS c
        WHERE c.thread_id = n.thread_id
            AND c.checkpoint_ns = n.checkpoint_ns
            AND c.checkpoint_id < b.bound
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
    SELECT thread_id, checkpoint_ns, checkpoint_id FROM in_flight
    UNION
    SELECT thread_id, checkpoint_ns, checkpoint_id FROM suspended
    UNION
    SELECT thread_id, checkpoint_ns, checkpoint_id FROM pin
),
-- Calls from the newest row of a stateful subgraph: that one is resumed, and they with it, from
-- whatever checkpoint of the graphs above comes back to it, an update of theirs for instance.
resumable AS MATERIALIZED (
    SELECT call.thread_id, call.checkpoint_ns, max(length(memory.checkpoint_ns)) AS depth
    FROM subgraph AS call
    JOIN subgraph AS memory USING (thread_id)
    WHERE call.is_call
        AND NOT memory.is_call
        AND call.parents ->> memory.checkpoint_ns = memory.head_id
    GROUP BY call.thread_id, call.checkpoint_ns
),
-- Calls whose caller does not stay. A caller that was never saved is given time to appear.
lost AS MATERIALIZED (
    SELECT
        n.thread_id,
        n.checkpoint_ns,
        bool_or(n.head_id < n.grace_floor OR (
            SELECT true
            FROM checkpoints AS c
            WHERE c.thread_id = n.thread_id
                AND c.checkpoint_ns = n.parent_ns
                AND c.checkpoint_id = n.parent_id
            LIMIT 1
        ) IS NOT NULL) AS dead
    FROM (
        SELECT
            call.thread_id,
            call.checkpoint_ns,
            call.head_id,
            call.grace_floor,
            parent.key AS parent_ns,
            parent.value AS parent_id
        FROM subgraph AS call
        CROSS JOIN LATERAL jsonb_each_text(
            CASE jsonb_typeof(call.parents) WHEN 'object' THEN call.parents END
        ) AS parent
        WHERE call.is_call
    ) AS n
    LEFT JOIN caller AS k
        ON k.thread_id = n.thread_id
        AND k.checkpoint_ns = n.parent_ns
        AND k.checkpoint_id = n.parent_id
    LEFT JOIN pinned AS p
        ON p.thread_id = n.thread_id
        AND p.checkpoint_ns = n.checkpoint_ns
    LEFT JOIN resumable AS r
        ON r.thread_id = n.thread_id
        AND r.checkpoint_ns = n.checkpoint_ns
    WHERE k.checkpoint_id IS NULL
        AND p.checkpoint_id IS NULL
        AND (r.depth IS NULL OR length(n.parent_ns) >= r.depth)
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
    SELECT thread_id, checkpoint_ns, checkpoint_id, 'in flight' FROM in_flight WHERE checkpoint_ns > ''
    UNION ALL
    SELECT thread_id, checkpoint_ns, checkpoint_id, 'open gate' FROM suspended WHERE checkpoint_ns > ''
    UNION ALL
    SELECT thread_id, checkpoint_ns, checkpoint_id, 'pinned' FROM pin WHERE checkpoint_ns > ''
),
-- Each of them is looked up once, for all that the rest of the plan asks of it.
loaded AS MATERIALIZED (
    SELECT k.thread_id, k.checkpoint_ns, k.checkpoint_id, k.reason, found.*
    FROM asked_for AS k
    CROSS JOIN LATERAL (
        SELECT
            c.ctid AS address,
            c.parent_checkpoint_id AS parent_id,
            c.metadata ->> 'source' AS source,
            c.metadata -> 'counters_since_delta_snapshot' AS counters,
            (c.checkpoint ->> 'v')::integer < 4 AS sends_in_parent
        FROM checkpoints AS c
        WHERE c.thread_id = k.thread_id
            AND c.checkpoint_ns = k.checkpoint_ns
            AND c.checkpoint_id = k.checkpoint_id
        LIMIT 1
    ) AS found
),
-- Checkpoints before format 4 read their pending sends from their parent's writes.
with_senders AS MATERIALIZED (
    SELECT * FROM loaded
    UNION ALL
    SELECT
        k.thread_id,
        k.checkpoint_ns,
        k.parent_id,
        'pending sends',
        sender.address,
        sender.parent_id,
        sender.source,
        sender.counters,
        false
    FROM loaded AS k
    CROSS JOIN LATERAL (
        SELECT
            c.ctid AS address,
            c.parent_checkpoint_id AS parent_id,
            c.metadata ->> 'source' AS source,
            c.metadata -> 'counters_since_delta_snapshot' AS counters
        FROM checkpoints AS c
        WHERE c.thread_id = k.thread_id
            AND c.checkpoint_ns = k.checkpoint_ns
            AND c.checkpoint_id = k.parent_id
            AND (
                SELECT true
                FROM checkpoint_writes AS w
                WHERE w.thread_id = c.thread_id
                    AND w.checkpoint_ns = c.checkpoint_ns
                    AND w.checkpoint_id = c.checkpoint_id
                    AND w.channel = '__pregel_tasks'
                LIMIT 1
            ) IS NOT NULL
        LIMIT 1
    ) AS sender
    WHERE k.sends_in_parent
),
-- A DeltaChannel without a stored value is rebuilt from its ancestors' writes.
delta_channel AS MATERIALIZED (
    SELECT DISTINCT k.thread_id, k.checkpoint_ns, counter.channel
    FROM with_senders AS k
    CROSS JOIN LATERAL jsonb_object_keys(k.counters) AS counter (channel)
    WHERE jsonb_typeof(k.counters) = 'object'
    UNION
    -- A graph without the channel, an older release for instance, counts nothing for it and carries
    -- its version along. Channels that never have a value look the same, but nobody ever counted them.
    SELECT newest.thread_id, newest.checkpoint_ns, carried.channel
    FROM (
        SELECT DISTINCT ON (thread_id, checkpoint_ns) thread_id, checkpoint_ns, address
        FROM loaded
        WHERE strpos(checkpoint_ns, ':') = 0
        ORDER BY thread_id, checkpoint_ns, checkpoint_id DESC
    ) AS newest
    CROSS JOIN LATERAL (
        SELECT v.key AS channel
        FROM checkpoints AS c
        CROSS JOIN LATERAL jsonb_each_text(c.checkpoint -> 'channel_versions') AS v
        WHERE c.ctid = newest.address
            AND NOT c.checkpoint -> 'channel_values' ? v.key
            AND v.key !~ '^(branch:|join:|__)'
            AND NOT coalesce(c.metadata -> 'counters_since_delta_snapshot' ? v.key, false)
            AND (
                SELECT true
                FROM checkpoint_blobs AS b
                WHERE b.thread_id = c.thread_id
                    AND b.checkpoint_ns = c.checkpoint_ns
                    AND b.channel = v.key
                    AND b.version = v.value
                LIMIT 1
            ) IS NULL
        OFFSET 0
    ) AS carried
    WHERE (
        SELECT true
        FROM checkpoints AS c
        WHERE c.thread_id = newest.thread_id
            AND c.checkpoint_ns = newest.checkpoint_ns
            AND c.metadata -> 'counters_since_delta_snapshot' ? carried.channel
        LIMIT 1
    ) IS NOT NULL
),
history AS (
    SELECT k.thread_id, k.checkpoint_ns, k.checkpoint_id, d.channel, 0 AS distance
    FROM (SELECT DISTINCT thread_id, checkpoint_ns, checkpoint_id FROM with_senders) AS k
    JOIN delta_channel AS d USING (thread_id, checkpoint_ns)
    UNION
    SELECT h.thread_id, h.checkpoint_ns, ancestor.checkpoint_id, h.channel, 1
    FROM history AS h
    CROSS JOIN LATERAL (
        SELECT c.parent_checkpoint_id AS checkpoint_id
        FROM checkpoints AS c
        WHERE c.thread_id = h.thread_id
            AND c.checkpoint_ns = h.checkpoint_ns
            AND c.checkpoint_id = h.checkpoint_id
            AND c.parent_checkpoint_id IS NOT NULL
            -- A channel that was never written has no value to rebuild where the walk begins.
            AND (h.distance = 1 OR c.checkpoint -> 'channel_versions' ? h.channel)
            AND coalesce(c.checkpoint -> 'channel_values' -> h.channel, 'null') = 'null'
            AND (
                SELECT true
                FROM checkpoint_blobs AS b
                WHERE b.thread_id = c.thread_id
                    AND b.checkpoint_ns = c.checkpoint_ns
                    AND b.channel = h.channel
                    AND b.version = c.checkpoint -> 'channel_versions' ->> h.channel
                    AND b.type <> 'empty'
                LIMIT 1
            ) IS NULL
        LIMIT 1
    ) AS ancestor
),
kept AS MATERIALIZED (
    SELECT thread_id, checkpoint_ns, checkpoint_id, reason, address, parent_id, source
    FROM with_senders
    UNION ALL
    SELECT h.thread_id, h.checkpoint_ns, h.checkpoint_id, 'delta history', found.*
    FROM (
        SELECT DISTINCT thread_id, checkpoint_ns, checkpoint_id
        FROM history
        WHERE distance = 1
    ) AS h
    CROSS JOIN LATERAL (
        SELECT
            c.ctid AS address,
            c.parent_checkpoint_id AS parent_id,
            c.metadata ->> 'source' AS source
        FROM checkpoints AS c
        WHERE c.thread_id = h.thread_id
            AND c.checkpoint_ns = h.checkpoint_ns
            AND c.checkpoint_id = h.checkpoint_id
        LIMIT 1
    ) AS found
    WHERE NOT EXISTS (
        SELECT
        FROM with_senders AS k
        WHERE k.thread_id = h.thread_id
            AND k.checkpoint_ns = h.checkpoint_ns
            AND k.checkpoint_id = h.checkpoint_id
    )
)
