-- A signed link that is good for one decision.
INSERT INTO holdfast.gate_links (tenant, link_id, gate_id, person, fingerprint, expires_at)
VALUES (%(tenant)s, %(link_id)s, %(gate_id)s, %(person)s, %(fingerprint)s,
        clock_timestamp() + make_interval(secs => %(seconds)s::double precision))
