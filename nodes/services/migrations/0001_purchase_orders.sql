-- Tables of the purchase order process: documents, once-only effects, the budget ledger, orders, notices.
-- Amounts are integers in minor units of the row's currency.

CREATE TABLE holdfast.documents (
    tenant      text        NOT NULL DEFAULT 'default',
    sha256      text        NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    filename    text        NOT NULL,
    media_type  text,
    size        integer     NOT NULL CHECK (size >= 0),     -- bytes
    content     bytea       NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant, sha256)
);

-- What was asked of the outside world, under which key, and what came of it.
CREATE TABLE holdfast.effects (
    tenant       text        NOT NULL DEFAULT 'default',
    key          text        NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    name         text        NOT NULL,
    request      jsonb       NOT NULL,
    request_hash text        NOT NULL,
    state        text        NOT NULL DEFAULT 'sending'
                 CHECK (state IN ('sending', 'not_applied', 'done', 'refused')),
    attempts     integer     NOT NULL DEFAULT 1 CHECK (attempts >= 1),
    doubtful     boolean     NOT NULL DEFAULT false,        -- an attempt ended without a known outcome
    result       jsonb,
    error        jsonb,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant, key),
    CONSTRAINT done_has_result CHECK ((state = 'done') = (result IS NOT NULL))
);
CREATE INDEX effects_unfinished_idx ON holdfast.effects (tenant, updated_at) WHERE state IN ('sending', 'not_applied');

-- The balances of a department in one currency; the journal below says how they came about.
CREATE TABLE holdfast.budgets (
    tenant       text        NOT NULL DEFAULT 'default',
    department   text        NOT NULL CHECK (length(department) BETWEEN 1 AND 64),
    currency     text        NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    name         text        NOT NULL,
    limit_amount bigint      NOT NULL CHECK (limit_amount >= 0),
    available    bigint      NOT NULL CHECK (available >= 0),
    reserved     bigint      NOT NULL DEFAULT 0 CHECK (reserved >= 0),
    committed    bigint      NOT NULL DEFAULT 0 CHECK (committed >= 0),
    agent_limit  bigint      NOT NULL CHECK (agent_limit >= 0),
    keywords     text[]      NOT NULL DEFAULT '{}',
    updated_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant, department, currency),
    CONSTRAINT nothing_is_lost CHECK (available + reserved + committed = limit_amount)
);

CREATE TABLE holdfast.reservations (
    tenant      text        NOT NULL DEFAULT 'default',
    order_id    text        NOT NULL,
    revision    integer     NOT NULL CHECK (revision >= 1),
    department  text        NOT NULL,
    currency    text        NOT NULL,
    amount      bigint      NOT NULL CHECK (amount > 0),
    state       text        NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'committed', 'released')),
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant, order_id, revision),
    FOREIGN KEY (tenant, department, currency) REFERENCES holdfast.budgets
);
CREATE UNIQUE INDEX reservations_one_per_order_idx ON holdfast.reservations (tenant, order_id)
    WHERE state IN ('open', 'committed');

-- One entry per movement of money, each under a key of its own: a repeated movement finds its entry.
CREATE TABLE holdfast.ledger_entries (
    tenant      text        NOT NULL DEFAULT 'default',
    entry_id    bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key         text        NOT NULL,
    kind        text        NOT NULL CHECK (kind IN ('grant', 'reserve', 'commit', 'release')),
    order_id    text,
    revision    integer,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (tenant, key),
    CONSTRAINT only_a_grant_has_no_order CHECK ((kind = 'grant') = (order_id IS NULL))
);
CREATE INDEX ledger_entries_order_idx ON holdfast.ledger_entries (tenant, order_id, revision);

CREATE TABLE holdfast.ledger_postings (
    tenant      text        NOT NULL DEFAULT 'default',
    entry_id    bigint      NOT NULL REFERENCES holdfast.ledger_entries,
    department  text        NOT NULL,
    currency    text        NOT NULL,
    account     text        NOT NULL CHECK (account IN ('granted', 'available', 'reserved', 'committed')),
    amount      bigint      NOT NULL CHECK (amount <> 0),   -- above zero: into the account
    PRIMARY KEY (entry_id, department, currency, account)
);
CREATE INDEX ledger_postings_budget_idx ON holdfast.ledger_postings (tenant, department, currency);

CREATE FUNCTION holdfast.check_entry_balances() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT
               FROM holdfast.ledger_postings
               WHERE entry_id = NEW.entry_id
               GROUP BY currency
               HAVING sum(amount) <> 0) THEN
        RAISE EXCEPTION 'ledger entry % does not balance', NEW.entry_id USING ERRCODE = 'HF002';
    END IF;
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER ledger_entry_balances AFTER INSERT ON holdfast.ledger_postings
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION holdfast.check_entry_balances();

CREATE FUNCTION holdfast.refuse_ledger_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only' USING ERRCODE = 'HF001';
END
$$;
CREATE TRIGGER ledger_entries_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON holdfast.ledger_entries
    FOR EACH STATEMENT EXECUTE FUNCTION holdfast.refuse_ledger_change();
CREATE TRIGGER ledger_postings_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON holdfast.ledger_postings
    FOR EACH STATEMENT EXECUTE FUNCTION holdfast.refuse_ledger_change();

-- Which thread an invoice was taken by. An order that came to nothing frees its invoice.
CREATE SEQUENCE holdfast.order_numbers START 1001;
CREATE TABLE holdfast.orders (
    tenant      text        NOT NULL DEFAULT 'default',
    order_id    text        NOT NULL DEFAULT 'PO-' || nextval('holdfast.order_numbers'),
    invoice_id  text        NOT NULL,                       -- supplier, kind and number in one
    thread_id   text        NOT NULL,
    stage       text        NOT NULL DEFAULT 'DRAFT' CHECK (stage IN
                ('DRAFT', 'RESERVED', 'COMPENSATING', 'IN_DOUBT', 'COMMITTED', 'REJECTED', 'FAILED')),
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant, order_id)
);
CREATE UNIQUE INDEX orders_one_per_invoice_idx ON holdfast.orders (tenant, invoice_id)
    WHERE stage NOT IN ('REJECTED', 'FAILED');

CREATE TABLE holdfast.suppliers (
    tenant      text        NOT NULL DEFAULT 'default',
    supplier_id text        NOT NULL,
    name        text        NOT NULL,
    accounts    text[]      NOT NULL DEFAULT '{}',
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant, supplier_id)
);

-- Our own order register: the system of record where no ERP is connected.
CREATE SEQUENCE holdfast.register_numbers START 1;
CREATE TABLE holdfast.register_orders (
    tenant          text        NOT NULL DEFAULT 'default',
    reference       text        NOT NULL,                   -- the order_id of whoever orders
    register_number text        NOT NULL DEFAULT 'R-' || lpad(nextval('holdfast.register_numbers')::text, 6, '0'),
    state           text        NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'cancelled')),
    supplier_id     text,
    supplier_name   text,
    invoice_number  text,
    buyer_order     text,
    department      text,
    amount          bigint      CHECK (amount > 0),
    currency        text        CHECK (currency ~ '^[A-Z]{3}$'),
    lines           jsonb       NOT NULL DEFAULT '[]',
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant, reference),
    -- A cancelled row may have no order: it keeps a late one from coming alive.
    CONSTRAINT open_is_complete CHECK (state = 'cancelled' OR
        (supplier_id IS NOT NULL AND amount IS NOT NULL AND currency IS NOT NULL))
);
CREATE UNIQUE INDEX register_orders_number_idx ON holdfast.register_orders (tenant, register_number);

CREATE TABLE holdfast.notices (
    tenant      text        NOT NULL DEFAULT 'default',
    key         text        NOT NULL,
    audience    text        NOT NULL CHECK (audience IN ('requester', 'operator')),
    thread_id   text        NOT NULL,
    order_id    text,
    title       text        NOT NULL,
    body        text        NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant, key)
);
CREATE INDEX notices_created_at_idx ON holdfast.notices (tenant, audience, created_at);

-- A company to try it with; `holdfast budgets load` replaces the figures.
INSERT INTO holdfast.budgets (department, currency, name, limit_amount, available, agent_limit, keywords)
SELECT department, currency, name, limit_amount, limit_amount, agent_limit, keywords
FROM (VALUES
    ('office', 'Office and facilities', 5000000, 50000,
     ARRAY['paper', 'office', 'furniture', 'chair', 'desk', 'cleaning', 'coffee', 'stationery', 'rent']),
    ('it', 'Information technology', 20000000, 200000,
     ARRAY['laptop', 'computer', 'server', 'software', 'licence', 'license', 'monitor', 'hosting', 'cloud', 'printer', 'cable']),
    ('marketing', 'Marketing', 8000000, 100000,
     ARRAY['advertising', 'campaign', 'print', 'event', 'design', 'brochure', 'media']),
    ('operations', 'Operations', 100000000, 500000,
     ARRAY['steel', 'machine', 'freight', 'transport', 'spare', 'tool', 'energy', 'electricity', 'gas', 'maintenance'])
) AS departments (department, name, limit_amount, agent_limit, keywords)
CROSS JOIN (VALUES ('EUR'), ('USD'), ('GBP'), ('NOK'), ('SEK'), ('DKK'), ('CHF')) AS currencies (currency);

INSERT INTO holdfast.ledger_entries (key, kind)
SELECT 'grant:' || department || ':' || currency || ':0', 'grant' FROM holdfast.budgets;
INSERT INTO holdfast.ledger_postings (entry_id, department, currency, account, amount)
SELECT e.entry_id, b.department, b.currency, p.account, p.sign * b.limit_amount
FROM holdfast.budgets AS b
JOIN holdfast.ledger_entries AS e ON e.key = 'grant:' || b.department || ':' || b.currency || ':0'
CROSS JOIN (VALUES ('granted', -1), ('available', 1)) AS p (account, sign);
