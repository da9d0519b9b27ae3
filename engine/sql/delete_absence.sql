-- A person is back.
DELETE FROM holdfast.absences
WHERE tenant = %(tenant)s
    AND person = %(person)s
RETURNING person, delegate, starts_at, ends_at
