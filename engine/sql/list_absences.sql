-- Who is away now or later, and who stands in.
SELECT
    person,
    delegate,
    starts_at,
    ends_at
FROM holdfast.absences
WHERE tenant = %(tenant)s
    AND ends_at > clock_timestamp()
    AND (NOT %(only_now)s OR starts_at <= clock_timestamp())
ORDER BY person
