-- A run and the events it streamed.
WITH events AS (
    DELETE FROM holdfast.run_events
    WHERE tenant = %(tenant)s
        AND run_id = %(run_id)s
)
DELETE FROM holdfast.runs
WHERE tenant = %(tenant)s
    AND run_id = %(run_id)s
