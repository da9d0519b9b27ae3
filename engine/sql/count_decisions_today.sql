-- What was decided today, and how fast one person goes from one decision to the next.
SELECT
    count(*) AS decided,
    count(*) FILTER (WHERE decided_by = %(actor)s) AS own,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY pause_seconds)
        FILTER (WHERE decided_by = %(actor)s AND pause_seconds < %(longest_seconds)s)::double precision
        AS median_seconds,
    count(*) FILTER (WHERE decided_by = %(actor)s AND kind = 'approve' AND pause_seconds < %(rash_seconds)s) AS rash,
    count(*) FILTER (WHERE state = 'expired') AS expired
FROM (
    SELECT
        decided_by,
        state,
        decision -> 'decisions' -> 0 ->> 'type' AS kind,
        extract(epoch FROM decided_at - lag(decided_at) OVER (PARTITION BY decided_by ORDER BY decided_at, gate_id))
            AS pause_seconds
    FROM holdfast.gates
    WHERE tenant = %(tenant)s
        AND state IN ('scheduled', 'decided', 'expired')
        AND decided_at >= date_trunc('day', clock_timestamp() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'
) AS today
