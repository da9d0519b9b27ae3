-- Reviews by filter, the most urgent first; those without a deadline come last, oldest first.
SELECT
    gate_id,
    thread_id,
    run_id,
    assistant_id,
    graph_id,
    node,
    dialect,
    title,
    risk,
    allowed,
    state,
    version,
    fingerprint,
    proposer,
    assignees,
    quorum,
    claimed_by,
    claim_until,
    snoozed_until,
    due_at,
    remind_at,
    expires_at,
    escalate_at,
    effective_at,
    decision,
    decided_by,
    decided_via,
    decided_at,
    created_at,
    updated_at,
    review ->> 'why_now' AS why_now,
    review -> 'effects' AS effects,
    jsonb_path_query_array(review::jsonb, '$.actions[*].name') AS actions,
    (SELECT count(*) FROM holdfast.gate_votes AS votes WHERE votes.gate_id = gates.gate_id) AS votes,
    count(*) OVER () AS total,
    clock_timestamp() AS read_at
FROM holdfast.gates AS gates
WHERE tenant = %(tenant)s
    AND state = ANY(%(states)s)
    AND (%(names)s::text[] IS NULL
         OR cardinality(assignees) = 0
         OR assignees && %(names)s::text[]
         OR claimed_by = %(claimed_by)s)
    AND (%(risk)s::text IS NULL OR risk = %(risk)s)
    AND (%(graph_id)s::text IS NULL OR graph_id = %(graph_id)s)
    AND (%(thread_id)s::text IS NULL OR thread_id = %(thread_id)s)
    AND (%(search)s::text IS NULL
         OR strpos(lower(title), lower(%(search)s)) > 0
         OR strpos(lower(review ->> 'why_now'), lower(%(search)s)) > 0
         OR thread_id = %(search)s)
    AND (%(with_snoozed)s OR snoozed_until IS NULL OR snoozed_until <= clock_timestamp())
    AND (%(with_signals)s OR dialect <> 'signal')
    AND (%(scope)s::jsonb IS NULL
         OR EXISTS (
             SELECT 1
             FROM holdfast.threads
             WHERE threads.thread_id = gates.thread_id
                 AND threads.metadata @> %(scope)s::jsonb
         ))
ORDER BY
    CASE WHEN %(newest_first)s THEN updated_at END DESC,
    coalesce(due_at, expires_at),
    created_at,
    gate_id
LIMIT %(limit)s
OFFSET %(offset)s
