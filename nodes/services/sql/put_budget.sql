-- Make a budget with nothing in it, or set what it is called and what the agent may do with it.
INSERT INTO holdfast.budgets (tenant, department, currency, name, limit_amount, available, agent_limit, keywords)
VALUES (%(tenant)s, %(department)s, %(currency)s, %(name)s, 0, 0, %(agent_limit)s, %(keywords)s)
ON CONFLICT (tenant, department, currency) DO UPDATE
SET name = excluded.name,
    agent_limit = excluded.agent_limit,
    keywords = excluded.keywords,
    updated_at = clock_timestamp()
