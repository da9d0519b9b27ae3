-- Count how often a budget's limit was set; it numbers the next grant.
SELECT count(*) AS grants
FROM holdfast.ledger_postings
WHERE tenant = %(tenant)s AND department = %(department)s AND currency = %(currency)s AND account = 'granted'
