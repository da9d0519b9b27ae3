-- Refuse a checkpoint whose parent has gone: it would silently lack what was pruned with the parent.
CREATE OR REPLACE FUNCTION {schema}.checkpoint_pruner_guard() RETURNS trigger
LANGUAGE plpgsql
AS $guard$
BEGIN
    IF NEW.parent_checkpoint_id IS NOT NULL THEN
        -- Locks the parent against deletion until this save has committed.
        PERFORM
        FROM {schema}.checkpoints AS c
        WHERE c.thread_id = NEW.thread_id
            AND c.checkpoint_ns = NEW.checkpoint_ns
            AND c.checkpoint_id = NEW.parent_checkpoint_id
        FOR KEY SHARE;
        -- Saving the same checkpoint again is an update, whatever became of its parent.
        IF FOUND OR EXISTS (
            SELECT
            FROM {schema}.checkpoints AS c
            WHERE c.thread_id = NEW.thread_id
                AND c.checkpoint_ns = NEW.checkpoint_ns
                AND c.checkpoint_id = NEW.checkpoint_id
        ) THEN
            RETURN NEW;
        END IF;
        -- A copy has its original's parent, and that may have gone rightly: it needs the original.
        IF NEW.metadata ->> 'source' = 'fork' THEN
            PERFORM
            FROM {schema}.checkpoints AS c
            WHERE c.thread_id = NEW.thread_id
                AND c.checkpoint_ns = NEW.checkpoint_ns
                AND c.parent_checkpoint_id = NEW.parent_checkpoint_id
                AND c.checkpoint -> 'channel_versions' = NEW.checkpoint -> 'channel_versions'
            LIMIT 1
            FOR KEY SHARE;
            IF FOUND THEN
                RETURN NEW;
            END IF;
        END IF;
    ELSIF NOT EXISTS (
        SELECT
        FROM {schema}.checkpoint_pruner_tombstones AS t
        WHERE t.thread_hash = hashtextextended(NEW.thread_id, 0)
            AND NEW.metadata -> 'parents' ->> '' < t.deleted_before
    ) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'checkpoint % of thread % no longer exists',
        coalesce(NEW.parent_checkpoint_id, NEW.metadata -> 'parents' ->> ''), NEW.thread_id
        USING
            ERRCODE = 'LG409',
            DETAIL = jsonb_build_object(
                'thread_id', NEW.thread_id,
                'checkpoint_ns', CASE WHEN NEW.parent_checkpoint_id IS NULL THEN '' ELSE NEW.checkpoint_ns END,
                'checkpoint_id', coalesce(NEW.parent_checkpoint_id, NEW.metadata -> 'parents' ->> '')
            )::text,
            HINT = 'Load the thread again and retry from its newest checkpoint.';
END
$guard$
