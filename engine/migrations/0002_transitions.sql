-- What may follow on what, kept by the database as well: no statement, and no hand, moves a run or a gate otherwise.

CREATE FUNCTION holdfast.run_may_become(was text, becomes text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE was
        WHEN 'queued' THEN becomes IN ('running', 'cancelled', 'expired')
        WHEN 'running' THEN becomes IN ('queued', 'interrupted', 'succeeded', 'failed', 'cancelled', 'expired')
        ELSE false
    END
$$;

CREATE FUNCTION holdfast.gate_may_become(was text, becomes text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE was
        WHEN 'open' THEN becomes IN ('claimed', 'scheduled', 'decided', 'expired', 'cancelled', 'superseded')
        WHEN 'claimed' THEN becomes IN ('open', 'scheduled', 'decided', 'expired', 'cancelled', 'superseded')
        WHEN 'scheduled' THEN becomes IN ('open', 'decided', 'cancelled', 'superseded')
        ELSE false
    END
$$;

CREATE FUNCTION holdfast.refuse_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% % cannot go from % to %', TG_ARGV[0], to_jsonb(OLD) ->> TG_ARGV[1],
        to_jsonb(OLD) ->> TG_ARGV[2], to_jsonb(NEW) ->> TG_ARGV[2] USING ERRCODE = 'HF002';
END
$$;

CREATE TRIGGER run_moves_as_allowed BEFORE UPDATE OF status ON holdfast.runs
    FOR EACH ROW WHEN (OLD.status <> NEW.status AND NOT holdfast.run_may_become(OLD.status, NEW.status))
    EXECUTE FUNCTION holdfast.refuse_transition('run', 'run_id', 'status');
CREATE TRIGGER gate_moves_as_allowed BEFORE UPDATE OF state ON holdfast.gates
    FOR EACH ROW WHEN (OLD.state <> NEW.state AND NOT holdfast.gate_may_become(OLD.state, NEW.state))
    EXECUTE FUNCTION holdfast.refuse_transition('review', 'gate_id', 'state');
