-- Make a secret once, whoever comes first.
INSERT INTO holdfast.secrets (tenant, name, value)
VALUES (%(tenant)s, %(name)s, %(value)s)
ON CONFLICT DO NOTHING
