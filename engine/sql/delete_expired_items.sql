-- A batch of the store's items whose time to live is over.
DELETE FROM store
WHERE ctid IN (
    SELECT ctid
    FROM store
    WHERE expires_at IS NOT NULL
        AND expires_at < clock_timestamp()
    LIMIT %(limit)s
)
