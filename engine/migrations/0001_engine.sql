-- The engine's own tables: accepted work, open questions, timers, the log. LangGraph's tables are its own affair.

CREATE TABLE holdfast.assistants (
    tenant        text        NOT NULL DEFAULT 'default',
    assistant_id  text        NOT NULL PRIMARY KEY,
    graph_id      text        NOT NULL,
    name          text        NOT NULL,
    description   text,
    config        jsonb       NOT NULL DEFAULT '{}',
    context       jsonb       NOT NULL DEFAULT '{}',
    metadata      jsonb       NOT NULL DEFAULT '{}',
    version       integer     NOT NULL DEFAULT 1 CHECK (version >= 1),
    created_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX assistants_graph_id_idx ON holdfast.assistants (tenant, graph_id);

CREATE TABLE holdfast.assistant_versions (
    tenant        text        NOT NULL DEFAULT 'default',
    assistant_id  text        NOT NULL REFERENCES holdfast.assistants ON DELETE CASCADE,
    version       integer     NOT NULL CHECK (version >= 1),
    graph_id      text        NOT NULL,
    name          text        NOT NULL,
    description   text,
    config        jsonb       NOT NULL,
    context       jsonb       NOT NULL,
    metadata      jsonb       NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (assistant_id, version)
);

CREATE TABLE holdfast.threads (
    tenant           text        NOT NULL DEFAULT 'default',
    thread_id        text        NOT NULL PRIMARY KEY CHECK (length(thread_id) BETWEEN 1 AND 255),
    graph_id         text,
    assistant_id     text,
    status           text        NOT NULL DEFAULT 'idle'
                     CHECK (status IN ('idle', 'busy', 'interrupted', 'error')),
    metadata         jsonb       NOT NULL DEFAULT '{}',
    config           jsonb       NOT NULL DEFAULT '{}',
    "values"         jsonb,                              -- the head's values, for lists and searches
    interrupts       jsonb       NOT NULL DEFAULT '{}',  -- {task_id: [{id, value, ...}]} of the head
    error            jsonb,
    ttl_minutes      double precision CHECK (ttl_minutes > 0),
    ttl_strategy     text        CHECK (ttl_strategy IN ('delete', 'keep_latest')),
    expires_at       timestamptz,
    created_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    state_updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX threads_status_idx ON holdfast.threads (tenant, status, created_at);
CREATE INDEX threads_created_at_idx ON holdfast.threads (tenant, created_at);
CREATE INDEX threads_metadata_idx ON holdfast.threads USING gin (metadata jsonb_path_ops);
CREATE INDEX threads_expires_at_idx ON holdfast.threads (expires_at) WHERE expires_at IS NOT NULL;

-- Accepted work. A row here is the promise; a ticket in the queue is only a hint.
CREATE TABLE holdfast.runs (
    tenant             text        NOT NULL DEFAULT 'default',
    run_id             text        NOT NULL PRIMARY KEY,
    seq                bigint      GENERATED ALWAYS AS IDENTITY,  -- order of acceptance
    thread_id          text        NOT NULL REFERENCES holdfast.threads ON DELETE CASCADE,
    assistant_id       text        NOT NULL,
    graph_id           text        NOT NULL,
    kind               text        NOT NULL DEFAULT 'input' CHECK (kind IN ('input', 'resume', 'cron')),
    status             text        NOT NULL DEFAULT 'queued' CHECK (status IN
                       ('queued', 'running', 'interrupted', 'succeeded', 'failed', 'cancelled', 'expired')),
    payload            jsonb       NOT NULL DEFAULT '{}',  -- {"input": …} | {"resume": {interrupt_id: value}} | {"command": …}
    kwargs             jsonb       NOT NULL DEFAULT '{}',  -- config, context, stream modes, breakpoints, checkpoint …
    metadata           jsonb       NOT NULL DEFAULT '{}',
    multitask_strategy text        NOT NULL DEFAULT 'enqueue'
                       CHECK (multitask_strategy IN ('enqueue', 'reject', 'interrupt', 'rollback')),
    priority           integer     NOT NULL DEFAULT 0,     -- higher first: resume 20, input 10, cron 0
    not_before         timestamptz NOT NULL DEFAULT clock_timestamp(),
    attempts           integer     NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    max_attempts       integer     NOT NULL DEFAULT 5 CHECK (max_attempts >= 1),
    attempt_log        jsonb       NOT NULL DEFAULT '[]',   -- [{attempt, worker_id, started_at}], the story of a crash loop
    timeout_seconds    double precision CHECK (timeout_seconds > 0),
    cancel_action      text        CHECK (cancel_action IN ('interrupt', 'rollback')),  -- asked for, not yet done
    on_completion      text        NOT NULL DEFAULT 'keep' CHECK (on_completion IN ('keep', 'delete')),
    on_disconnect      text        NOT NULL DEFAULT 'continue' CHECK (on_disconnect IN ('continue', 'cancel')),
    webhook            jsonb,                              -- {"url": …, "headers": …}
    gate_ids           text[]      NOT NULL DEFAULT '{}',  -- the gates that this resume answers
    base_checkpoint_id text,                               -- the thread's head before the run, for a rollback
    worker_id          text,
    error              jsonb,                              -- {"error": class, "message": …, "attempts": [...]}
    output             jsonb,                              -- final values, kept for waiters that come late
    created_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    started_at         timestamptz,
    finished_at        timestamptz,
    CONSTRAINT finished_or_finished_at_null CHECK
        ((finished_at IS NULL) = (status IN ('queued', 'running')))
);
-- One run at a time on a thread: the rule behind the lease, kept by the database as well.
CREATE UNIQUE INDEX runs_one_running_per_thread_idx ON holdfast.runs (thread_id) WHERE status = 'running';
CREATE INDEX runs_due_idx ON holdfast.runs (not_before, priority DESC, seq) WHERE status IN ('queued', 'running');
CREATE INDEX runs_thread_idx ON holdfast.runs (thread_id, seq DESC);
CREATE INDEX runs_list_idx ON holdfast.runs (tenant, status, created_at DESC);
CREATE INDEX runs_stateless_idx ON holdfast.runs (finished_at) WHERE on_completion = 'delete' AND finished_at IS NOT NULL;

CREATE TABLE holdfast.workers (
    tenant       text        NOT NULL DEFAULT 'default',
    worker_id    text        NOT NULL PRIMARY KEY,
    host         text        NOT NULL,
    pid          integer     NOT NULL,
    concurrency  integer     NOT NULL CHECK (concurrency >= 1),
    running      integer     NOT NULL DEFAULT 0,
    draining     boolean     NOT NULL DEFAULT false,
    started_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    beat_at      timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- A question put to a person (or to an external event) and its answer. One row per pending interrupt.
CREATE TABLE holdfast.gates (
    tenant          text        NOT NULL DEFAULT 'default',
    gate_id         text        NOT NULL PRIMARY KEY,      -- the interrupt id; a later question under the same id gets ".2", ".3" …
    interrupt_id    text        NOT NULL,
    ordinal         integer     NOT NULL DEFAULT 1 CHECK (ordinal >= 1),
    thread_id       text        NOT NULL REFERENCES holdfast.threads ON DELETE CASCADE,
    run_id          text        NOT NULL,
    assistant_id    text        NOT NULL,
    graph_id        text        NOT NULL,
    node            text        NOT NULL,
    task_id         text        NOT NULL,
    checkpoint_ns   text        NOT NULL DEFAULT '',
    checkpoint_id   text        NOT NULL,
    dialect         text        NOT NULL CHECK (dialect IN
                    ('typed', 'human_interrupt', 'hitl_request', 'tool_approval', 'raw', 'signal')),
    -- json, not jsonb: a form shows its fields in the order in which the graph's author wrote them.
    value           json        NOT NULL,                  -- the interrupt's value as the graph gave it
    response_schema json,
    review          json        NOT NULL,                  -- the normalised question, as shown
    title           text        NOT NULL,
    risk            text        NOT NULL DEFAULT 'normal' CHECK (risk IN ('low', 'normal', 'high')),
    allowed         text[]      NOT NULL,
    fingerprint     text        NOT NULL,                  -- sha256 over name and canonical arguments
    version         integer     NOT NULL DEFAULT 1 CHECK (version >= 1),
    state           text        NOT NULL DEFAULT 'open' CHECK (state IN
                    ('open', 'claimed', 'scheduled', 'decided', 'expired', 'cancelled', 'superseded')),
    proposer        text,                                  -- who the agent acts for; may not approve
    assignees       text[]      NOT NULL DEFAULT '{}',
    quorum          integer     NOT NULL DEFAULT 1 CHECK (quorum >= 1),
    claimed_by      text,
    claim_until     timestamptz,
    snoozed_until   timestamptz,
    signal_name     text,                                  -- the external event that answers this gate
    due_at          timestamptz,                           -- soft: colour, reminder
    remind_at       timestamptz,
    expires_at      timestamptz,                           -- hard
    on_expiry       jsonb       NOT NULL DEFAULT '{"action": "escalate"}',
    escalations     jsonb       NOT NULL DEFAULT '[]',     -- [{after_seconds, to: […]}], the hops still to come
    escalate_at     timestamptz,                           -- when the first of them is due
    effective_at    timestamptz,                           -- end of the undo window of a scheduled decision
    wake_at         timestamptz GENERATED ALWAYS AS (      -- the next moment a timer has work here
                    CASE WHEN state = 'scheduled' THEN effective_at
                         WHEN state IN ('open', 'claimed')
                         THEN least(remind_at, escalate_at, expires_at, claim_until, snoozed_until)
                    END) STORED,
    decision        jsonb,                                 -- {type, args, comment, …} as the reviewer gave it
    answer          jsonb,                                 -- the value the graph is resumed with
    decided_by      text,
    decided_via     text,
    decided_at      timestamptz,
    resume_run_id   text,
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (thread_id, interrupt_id, ordinal),
    CONSTRAINT four_eyes CHECK (decided_by IS NULL OR proposer IS NULL OR decided_by <> proposer),
    CONSTRAINT scheduled_has_effective_at CHECK (state <> 'scheduled' OR effective_at IS NOT NULL),
    CONSTRAINT decided_has_answer CHECK (state <> 'decided' OR (decided_by IS NOT NULL AND decided_at IS NOT NULL))
);
CREATE INDEX gates_open_idx ON holdfast.gates (tenant, (coalesce(due_at, expires_at)), created_at)
    WHERE state IN ('open', 'claimed', 'scheduled');
CREATE INDEX gates_thread_idx ON holdfast.gates (thread_id, state);
CREATE INDEX gates_similar_idx ON holdfast.gates (tenant, graph_id, node, decided_at DESC)
    WHERE state = 'decided';
CREATE INDEX gates_wake_at_idx ON holdfast.gates (wake_at) WHERE wake_at IS NOT NULL;

CREATE TABLE holdfast.gate_votes (
    tenant      text        NOT NULL DEFAULT 'default',
    gate_id     text        NOT NULL REFERENCES holdfast.gates ON DELETE CASCADE,
    voter       text        NOT NULL,
    decision    jsonb       NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (gate_id, voter)
);

CREATE TABLE holdfast.gate_comments (
    tenant      text        NOT NULL DEFAULT 'default',
    comment_id  bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    gate_id     text        NOT NULL REFERENCES holdfast.gates ON DELETE CASCADE,
    author      text        NOT NULL,
    audience    text        NOT NULL CHECK (audience IN ('agent', 'internal')),
    body        text        NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Single-use links of notifications: consumed by the decision, never by a GET.
CREATE TABLE holdfast.gate_links (
    tenant      text        NOT NULL DEFAULT 'default',
    link_id     text        NOT NULL PRIMARY KEY,
    gate_id     text        NOT NULL REFERENCES holdfast.gates ON DELETE CASCADE,
    person      text        NOT NULL,
    fingerprint text        NOT NULL,
    expires_at  timestamptz NOT NULL,
    used_at     timestamptz,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE holdfast.absences (
    tenant      text        NOT NULL DEFAULT 'default',
    person      text        NOT NULL,
    delegate    text        NOT NULL CHECK (delegate <> person),
    starts_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    ends_at     timestamptz NOT NULL,
    PRIMARY KEY (tenant, person),
    CHECK (ends_at > starts_at)
);

CREATE TABLE holdfast.signals (
    tenant       text        NOT NULL DEFAULT 'default',
    thread_id    text        NOT NULL REFERENCES holdfast.threads ON DELETE CASCADE,
    name         text        NOT NULL,
    signal_id    text        NOT NULL,
    payload      jsonb,
    received_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    delivered_at timestamptz,
    gate_id      text,
    PRIMARY KEY (thread_id, name, signal_id)
);

CREATE TABLE holdfast.outbox (
    tenant       text        NOT NULL DEFAULT 'default',
    message_id   text        NOT NULL PRIMARY KEY,          -- also the receiver's means to drop a repeat
    kind         text        NOT NULL CHECK (kind IN ('webhook', 'email', 'slack')),
    target       text        NOT NULL,
    payload      jsonb       NOT NULL,
    headers      jsonb       NOT NULL DEFAULT '{}',
    state        text        NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'dead')),
    attempts     integer     NOT NULL DEFAULT 0,
    next_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_error   text,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    delivered_at timestamptz
);
CREATE INDEX outbox_next_at_idx ON holdfast.outbox (next_at) WHERE state = 'pending';

-- Append-only and hash-chained per tenant; it outlives the checkpoints.
CREATE TABLE holdfast.audit (
    tenant      text        NOT NULL DEFAULT 'default',
    seq         bigint      NOT NULL,
    at          timestamptz NOT NULL,
    actor       text        NOT NULL,
    via         text        NOT NULL,                       -- console, api, link, timer, system …
    action      text        NOT NULL,
    thread_id   text,
    run_id      text,
    gate_id     text,
    details     jsonb       NOT NULL DEFAULT '{}',
    prev_hash   text        NOT NULL,
    hash        text        NOT NULL,
    PRIMARY KEY (tenant, seq)
);
CREATE INDEX audit_thread_idx ON holdfast.audit (thread_id, seq);
CREATE INDEX audit_gate_idx ON holdfast.audit (gate_id, seq);
CREATE FUNCTION holdfast.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'table % is append-only', TG_TABLE_NAME USING ERRCODE = 'HF001';
END
$$;
CREATE TRIGGER audit_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON holdfast.audit
    FOR EACH STATEMENT EXECUTE FUNCTION holdfast.refuse_change();

-- Entries wait here until their transaction commits. The chain's lock is then taken last, so that it
-- orders the commits and can be part of no deadlock.
CREATE TABLE holdfast.audit_pending (
    entry_id    bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant      text        NOT NULL,
    at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor       text        NOT NULL,
    via         text        NOT NULL,
    action      text        NOT NULL,
    thread_id   text,
    run_id      text,
    gate_id     text,
    details     jsonb       NOT NULL DEFAULT '{}'
);
-- Fields are written as netstrings (length in bytes, colon, text, comma), so that no two rows read alike.
CREATE FUNCTION holdfast.netstring(field text) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT coalesce(octet_length(convert_to(field, 'UTF8')) || ':' || field || ',', '-')
$$;
CREATE FUNCTION holdfast.chain_audit() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    head record;
    next_seq bigint;
    prev text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('holdfast.audit:' || NEW.tenant, 0));
    SELECT seq, hash INTO head FROM holdfast.audit WHERE tenant = NEW.tenant ORDER BY seq DESC LIMIT 1;
    next_seq := coalesce(head.seq, 0) + 1;
    prev := coalesce(head.hash, '');
    INSERT INTO holdfast.audit
        (tenant, seq, at, actor, via, action, thread_id, run_id, gate_id, details, prev_hash, hash)
    VALUES
        (NEW.tenant, next_seq, NEW.at, NEW.actor, NEW.via, NEW.action, NEW.thread_id, NEW.run_id,
         NEW.gate_id, NEW.details, prev, encode(sha256(convert_to(
            holdfast.netstring(prev) || holdfast.netstring(NEW.tenant)
            || holdfast.netstring(next_seq::text)
            || holdfast.netstring(to_char(NEW.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))
            || holdfast.netstring(NEW.actor) || holdfast.netstring(NEW.via)
            || holdfast.netstring(NEW.action) || holdfast.netstring(NEW.thread_id)
            || holdfast.netstring(NEW.run_id) || holdfast.netstring(NEW.gate_id)
            || holdfast.netstring(NEW.details::text), 'UTF8')), 'hex'));
    DELETE FROM holdfast.audit_pending WHERE entry_id = NEW.entry_id;
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER audit_is_chained AFTER INSERT ON holdfast.audit_pending
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION holdfast.chain_audit();

CREATE TABLE holdfast.idempotency_keys (
    tenant       text        NOT NULL DEFAULT 'default',
    key          text        NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    route        text        NOT NULL,
    fingerprint  text        NOT NULL,                      -- sha256 over method, path and canonical body
    resource_id  text,                                      -- the run or the gate the first call made
    status       integer,                                   -- null while in flight
    headers      jsonb       NOT NULL DEFAULT '{}',
    body         jsonb,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant, key, route)
);
CREATE INDEX idempotency_keys_created_at_idx ON holdfast.idempotency_keys (created_at);

CREATE TABLE holdfast.crons (
    tenant           text        NOT NULL DEFAULT 'default',
    cron_id          text        NOT NULL PRIMARY KEY,
    assistant_id     text        NOT NULL,
    thread_id        text        REFERENCES holdfast.threads ON DELETE CASCADE,
    schedule         text        NOT NULL,                  -- five or six fields
    timezone         text        NOT NULL DEFAULT 'UTC',
    end_time         timestamptz,
    enabled          boolean     NOT NULL DEFAULT true,
    on_run_completed text        NOT NULL DEFAULT 'delete' CHECK (on_run_completed IN ('delete', 'keep')),
    payload          jsonb       NOT NULL DEFAULT '{}',     -- the run to start, as POST …/runs takes it
    metadata         jsonb       NOT NULL DEFAULT '{}',
    user_id          text,
    next_run_at      timestamptz,
    last_fired_at    timestamptz,
    created_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at       timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX crons_next_run_at_idx ON holdfast.crons (next_run_at) WHERE enabled;

-- Keys this installation made for itself (signatures of webhooks and links).
CREATE TABLE holdfast.secrets (
    tenant      text        NOT NULL DEFAULT 'default',
    name        text        NOT NULL,
    value       text        NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant, name)
);

-- What a run streamed. Unlogged: after a crash of the database the run itself starts the stream anew.
CREATE UNLOGGED TABLE holdfast.run_events (
    tenant      text        NOT NULL DEFAULT 'default',
    run_id      text        NOT NULL,
    seq         bigint      NOT NULL,
    thread_id   text        NOT NULL,
    event       text        NOT NULL,
    data        text        NOT NULL,                       -- JSON, as sent
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (run_id, seq)
);
CREATE INDEX run_events_created_at_idx ON holdfast.run_events (created_at);
CREATE INDEX run_events_thread_idx ON holdfast.run_events (thread_id, seq);
-- Each recording of a run takes a block of event ids, so that ids grow along a thread.
CREATE SEQUENCE holdfast.run_event_blocks AS bigint;

-- Threads whose checkpoints changed since the pruner last looked.
CREATE TABLE holdfast.dirty_threads (
    tenant      text        NOT NULL DEFAULT 'default',
    thread_id   text        NOT NULL PRIMARY KEY,
    touched_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE holdfast.prune_runs (
    tenant           text        NOT NULL DEFAULT 'default',
    prune_run_id     bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    trigger          text        NOT NULL CHECK (trigger IN ('schedule', 'nightly', 'command', 'api', 'console', 'ttl')),
    dry_run          boolean     NOT NULL DEFAULT false,
    outcome          text        NOT NULL CHECK (outcome IN ('ok', 'skipped', 'failed')),
    policy           jsonb       NOT NULL,
    report           jsonb       NOT NULL,                  -- rows and bytes by table, kept-because counts, errors
    started_at       timestamptz NOT NULL,
    duration_seconds double precision NOT NULL
);

-- Sizes of the checkpoint tables over time, for the storage page and growth figures.
CREATE TABLE holdfast.storage_samples (
    tenant      text        NOT NULL DEFAULT 'default',
    sampled_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    table_name  text        NOT NULL,
    live_rows   bigint      NOT NULL,
    dead_rows   bigint      NOT NULL,
    table_bytes bigint      NOT NULL,
    toast_bytes bigint      NOT NULL,
    index_bytes bigint      NOT NULL,
    pruned_rows bigint      NOT NULL DEFAULT 0,             -- removed since the start, for the projection
    pruned_bytes bigint     NOT NULL DEFAULT 0,
    PRIMARY KEY (table_name, sampled_at)
);
