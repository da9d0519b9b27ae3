-- Write down what came of an effect. `done` is final and wins over everything.
UPDATE holdfast.effects
SET state = %(state)s,
    result = %(result)s,
    error = %(error)s,
    updated_at = clock_timestamp()
WHERE tenant = %(tenant)s
    AND key = %(key)s
    AND state <> 'done'
    AND (%(state)s = 'done' OR (state = 'sending' AND attempts = %(attempts)s))
RETURNING state
