-- The next stretch of the log in the order of its chain, each field as the text that was hashed.
SELECT seq,
       to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at,
       actor, via, action, thread_id, run_id, gate_id, details::text AS details, prev_hash, hash
FROM holdfast.audit
WHERE tenant = %(tenant)s
  AND seq > %(after_seq)s
ORDER BY seq
LIMIT %(limit)s
