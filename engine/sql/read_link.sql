-- A link as it stands.
SELECT
    link_id,
    gate_id,
    person,
    fingerprint,
    expires_at,
    used_at,
    expires_at <= clock_timestamp() AS expired
FROM holdfast.gate_links
WHERE tenant = %(tenant)s
    AND link_id = %(link_id)s
