-- Add to the balances of a budget; its CHECKs refuse what it does not have.
UPDATE holdfast.budgets
SET limit_amount = limit_amount - %(granted)s,
    available = available + %(available)s,
    reserved = reserved + %(reserved)s,
    committed = committed + %(committed)s,
    updated_at = clock_timestamp()
WHERE tenant = %(tenant)s AND department = %(department)s AND currency = %(currency)s
RETURNING available
