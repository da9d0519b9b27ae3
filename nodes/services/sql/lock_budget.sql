-- Lock a budget and read its balances.
SELECT limit_amount AS "limit", available, reserved, committed
FROM holdfast.budgets
WHERE tenant = %(tenant)s AND department = %(department)s AND currency = %(currency)s
FOR UPDATE
