-- Keep the events of many runs at once.
INSERT INTO holdfast.run_events (tenant, run_id, seq, thread_id, event, data)
SELECT %(tenant)s, item.run_id, item.seq, item.thread_id, item.event, item.data
FROM unnest(
    %(run_ids)s::text[], %(seqs)s::bigint[], %(thread_ids)s::text[], %(events)s::text[], %(data)s::text[]
) AS item (run_id, seq, thread_id, event, data)
ON CONFLICT (run_id, seq) DO NOTHING
