-- Delete a batch of store items whose time has passed.
DELETE FROM store AS s
WHERE s.expires_at < now()
    AND s.ctid = ANY(ARRAY(
        SELECT e.ctid
        FROM store AS e
        WHERE e.expires_at < now()
        LIMIT %(limit)s
    ))
