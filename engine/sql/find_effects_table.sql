-- Whether the project keeps a record of its once-only side effects.
SELECT to_regclass('holdfast.effects') IS NOT NULL AS there
