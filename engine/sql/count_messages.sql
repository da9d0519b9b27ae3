-- How many messages are in each state.
SELECT state, count(*) AS total
FROM holdfast.outbox
WHERE tenant = %(tenant)s
GROUP BY state
ORDER BY state
