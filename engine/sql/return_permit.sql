-- Give a place free again.
SELECT pg_advisory_unlock(hashtext('permit:' || %(tenant)s || ':' || %(name)s), %(place)s::integer)
