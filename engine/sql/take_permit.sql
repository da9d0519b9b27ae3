-- One free place out of so many under a name; the session holds it until it unlocks or dies.
-- Materialised: a lock that the session holds already would be taken a second time, and never given back.
WITH candidates AS MATERIALIZED (
    SELECT place
    FROM generate_series(1, %(places)s::integer) AS place
    WHERE place <> ALL(%(held)s::integer[])
)
SELECT place
FROM candidates
WHERE pg_try_advisory_lock(hashtext('permit:' || %(tenant)s || ':' || %(name)s), place)
LIMIT 1
