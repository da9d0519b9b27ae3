-- Whether a thread has a run that somebody could claim now.
SELECT EXISTS (
    SELECT 1
    FROM holdfast.runs
    WHERE runs.tenant = %(tenant)s
        AND runs.thread_id = %(thread_id)s
        AND (
            runs.status = 'running'
            OR (
                runs.status = 'queued'
                AND runs.not_before <= clock_timestamp()
                AND (
                    runs.kind = 'resume'
                    OR NOT EXISTS (
                        SELECT 1
                        FROM holdfast.gates
                        WHERE gates.tenant = %(tenant)s
                            AND gates.thread_id = %(thread_id)s
                            AND gates.state IN ('open', 'claimed', 'scheduled')
                    )
                )
            )
        )
) AS due
