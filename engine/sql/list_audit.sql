-- Entries of the log, newest first, of one thread, run, gate, action, actor or time if given.
SELECT seq, at, actor, via, action, thread_id, run_id, gate_id, details, hash
FROM holdfast.audit
WHERE tenant = %(tenant)s
  AND (%(thread_id)s::text IS NULL OR thread_id = %(thread_id)s)
  AND (%(run_id)s::text IS NULL OR run_id = %(run_id)s)
  AND (%(gate_id)s::text IS NULL OR gate_id = %(gate_id)s)
  AND (%(action)s::text IS NULL OR action = %(action)s)
  AND (%(actor)s::text IS NULL OR lower(actor) = lower(%(actor)s))
  AND (%(since)s::timestamptz IS NULL OR at >= %(since)s)
  AND (%(until)s::timestamptz IS NULL OR at < %(until)s)
  AND (%(before_seq)s::bigint IS NULL OR seq < %(before_seq)s)
ORDER BY seq DESC
LIMIT %(limit)s
