-- An assistant's schedules go with it.
DELETE FROM holdfast.crons
WHERE tenant = %(tenant)s
    AND assistant_id = %(assistant_id)s
