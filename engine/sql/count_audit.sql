-- How many entries of one thread, run, gate, action, actor or time, before an entry if given.
SELECT count(*) AS entries
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
