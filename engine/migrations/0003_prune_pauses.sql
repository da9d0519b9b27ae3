-- Pruning can be paused, for all processes at once.

-- While a row is here, no process removes anything on its own account.
CREATE TABLE holdfast.prune_pauses (
    tenant      text        NOT NULL DEFAULT 'default' PRIMARY KEY,
    paused_by   text        NOT NULL,
    reason      text        NOT NULL CHECK (reason <> ''),
    paused_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    until       timestamptz                                 -- NULL: until somebody resumes
);
