-- List the budgets in one currency, or in all where it is null.
SELECT department, name, currency, limit_amount AS "limit", available, reserved, committed, agent_limit, keywords
FROM holdfast.budgets
WHERE tenant = %(tenant)s AND (%(currency)s::text IS NULL OR currency = %(currency)s)
ORDER BY department, currency
