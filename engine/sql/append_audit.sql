-- Add an entry to the log; a trigger numbers and chains it when the transaction commits.
INSERT INTO holdfast.audit_pending (tenant, actor, via, action, thread_id, run_id, gate_id, details)
VALUES (%(tenant)s, %(actor)s, %(via)s, %(action)s, %(thread_id)s, %(run_id)s, %(gate_id)s, %(details)s)
