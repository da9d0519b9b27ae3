-- Who gave up an order by hand, and why: on the order itself and on the movement of its money.
ALTER TABLE holdfast.orders
    ADD COLUMN released_by text,
    ADD COLUMN release_reason text,
    ADD CONSTRAINT release_says_who_and_why CHECK ((released_by IS NULL) = (release_reason IS NULL));
ALTER TABLE holdfast.ledger_entries
    ADD COLUMN actor text,                                  -- null: the process itself
    ADD COLUMN reason text;
