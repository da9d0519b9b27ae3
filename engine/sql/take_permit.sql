-- One free place out of so many under a name; the session holds it until it unlocks or dies.
SELECT place
FROM generate_series(1, %(places)s::integer) AS place
WHERE place <> ALL(%(held)s::integer[])
    AND pg_try_advisory_lock(hashtext('permit:' || %(tenant)s || ':' || %(name)s), place)
LIMIT 1
