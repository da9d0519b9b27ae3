-- A new question; nothing when the id is taken by another thread's copy of the interrupt.
INSERT INTO holdfast.gates (
    tenant, gate_id, interrupt_id, ordinal, thread_id, run_id, assistant_id, graph_id, node, task_id,
    checkpoint_ns, checkpoint_id, dialect, value, response_schema, review, title, risk, allowed,
    fingerprint, proposer, assignees, quorum, signal_name, due_at, remind_at, expires_at, on_expiry,
    escalations, escalate_at
)
VALUES (
    %(tenant)s, %(gate_id)s, %(interrupt_id)s, %(ordinal)s, %(thread_id)s, %(run_id)s,
    %(assistant_id)s, %(graph_id)s, %(node)s, %(task_id)s, %(checkpoint_ns)s, %(checkpoint_id)s,
    %(dialect)s, %(value)s, %(response_schema)s, %(review)s, %(title)s, %(risk)s, %(allowed)s,
    %(fingerprint)s, %(proposer)s, %(assignees)s, %(quorum)s, %(signal_name)s,
    coalesce(%(due_at)s::timestamptz,
             clock_timestamp() + make_interval(secs => %(due_in_seconds)s::double precision)),
    coalesce(%(remind_at)s::timestamptz,
             clock_timestamp() + make_interval(secs => %(remind_in_seconds)s::double precision)),
    coalesce(%(expires_at)s::timestamptz,
             clock_timestamp() + make_interval(secs => %(expires_in_seconds)s::double precision)),
    %(on_expiry)s, %(escalations)s,
    clock_timestamp() + make_interval(secs => %(escalate_in_seconds)s::double precision)
)
ON CONFLICT (gate_id) DO NOTHING
RETURNING gate_id
