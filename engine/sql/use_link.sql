-- A link is used up, once; the decision is in the same transaction.
UPDATE holdfast.gate_links
SET used_at = clock_timestamp()
WHERE tenant = %(tenant)s
    AND link_id = %(link_id)s
    AND used_at IS NULL
    AND expires_at > clock_timestamp()
RETURNING gate_id
