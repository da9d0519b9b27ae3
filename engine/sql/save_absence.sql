-- A person is away from one moment to another.
INSERT INTO holdfast.absences (tenant, person, delegate, starts_at, ends_at)
VALUES (%(tenant)s, %(person)s, %(delegate)s, coalesce(%(starts_at)s, clock_timestamp()), %(ends_at)s)
ON CONFLICT (tenant, person) DO UPDATE
SET delegate = excluded.delegate,
    starts_at = excluded.starts_at,
    ends_at = excluded.ends_at
RETURNING person, delegate, starts_at, ends_at
