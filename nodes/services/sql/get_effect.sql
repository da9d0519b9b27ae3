-- Read what is known of an effect.
SELECT state, attempts, doubtful, result, error
FROM holdfast.effects
WHERE tenant = %(tenant)s AND key = %(key)s
