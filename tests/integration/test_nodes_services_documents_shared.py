"""The real Peppol BIS Billing 3.0 examples, each with what it says."""

import pytest

from nodes.services.documents import read

HEADS = {
    "peppol-Allowance-example.xml": (
        "invoice", "Snippet1", "SupplierOfficialName Ltd", "GB1232434",
        "2017-11-13", "2017-12-01", "EUR", 3,
    ),
    "peppol-Norwegian-example-1.xml": (
        "invoice", "TOSL108", "The Sellercompany ASA", "NO123456785MVA",
        "2013-06-30", "2013-07-20", "NOK", 5,
    ),
    "peppol-Vat-category-S.xml": (
        "invoice", "Snippet1", "SupplierOfficialName Ltd", "GB1232434",
        "2017-11-13", "2017-12-01", "EUR", 3,
    ),
    "peppol-base-creditnote-correction.xml": (
        "credit_note", "Snippet1", "SupplierOfficialName Ltd", "GB1232434",
        "2017-11-13", None, "EUR", 2,
    ),
    "peppol-base-example.xml": (
        "invoice", "Snippet1", "SupplierOfficialName Ltd", "GB1232434",
        "2017-11-13", "2017-12-01", "EUR", 2,
    ),
    "peppol-base-negative-inv-correction.xml": (
        "invoice", "Correction1", "SupplierOfficialName Ltd", "GB1232434",
        "2017-11-13", "2017-12-01", "EUR", 2,
    ),
    "peppol-sales-order-example.xml": (
        "invoice", "Snippet1", "SupplierOfficialName Ltd", "GB1232434",
        "2017-11-13", "2017-12-01", "EUR", 2,
    ),
    "peppol-vat-category-E.xml": (
        "invoice", "Vat-Z", "The Sellercompany Incorporated", "GB928741974",
        "2018-08-30", None, "GBP", 1,
    ),
    "peppol-vat-category-O.xml": (
        "invoice", "Vat-O", "The Sellercompany Incorporated", "7300010000001",
        "2018-08-30", None, "SEK", 1,
    ),
    "peppol-vat-category-Z.xml": (
        "invoice", "Vat-Z", "The Sellercompany Incorporated", "GB928741974",
        "2018-08-30", None, "GBP", 1,
    ),
}  # fmt: skip

# line_total, allowance, charge, tax_exclusive, tax, tax_inclusive, prepaid, rounding, payable
TOTALS = {
    "peppol-Allowance-example.xml": (
        590000, 20000, 20000, 590000, 122500, 712500, 100000, 0, 612500,
    ),
    "peppol-Norwegian-example-1.xml": (
        143650, 10000, 10000, 143650, 36528, 180178, 100000, 22, 80200,
    ),
    "peppol-Vat-category-S.xml": (690000, 10000, 20000, 700000, 155000, 855000, 0, 0, 855000),
    "peppol-base-creditnote-correction.xml": (
        130000, 0, 2500, 132500, 33125, 165625, 0, 0, 165625,
    ),
    "peppol-base-example.xml": (130000, 0, 2500, 132500, 33125, 165625, 0, 0, 165625),
    "peppol-base-negative-inv-correction.xml": (
        -130000, 0, -2500, -132500, -33125, -165625, 0, 0, -165625,
    ),
    "peppol-sales-order-example.xml": (130000, 0, 2500, 132500, 33125, 165625, 0, 0, 165625),
    "peppol-vat-category-E.xml": (120000, 0, 0, 120000, 0, 120000, 0, 0, 120000),
    "peppol-vat-category-O.xml": (320000, 0, 0, 320000, 0, 320000, 0, 0, 320000),
    "peppol-vat-category-Z.xml": (120000, 0, 0, 120000, 0, 120000, 0, 0, 120000),
}  # fmt: skip

# tax category, rate, taxable amount, tax
TAXES = {
    "peppol-Allowance-example.xml": [("S", "25", 490000, 122500), ("E", "0", 100000, 0)],
    "peppol-Norwegian-example-1.xml": [
        ("S", "25", 146050, 36513),
        ("S", "15", 100, 15),
        ("E", "0", -2500, 0),
    ],
    "peppol-Vat-category-S.xml": [("S", "25", 500000, 125000), ("S", "15", 200000, 30000)],
    "peppol-base-creditnote-correction.xml": [("S", "25", 132500, 33125)],
    "peppol-base-example.xml": [("S", "25", 132500, 33125)],
    "peppol-base-negative-inv-correction.xml": [("S", "25", -132500, -33125)],
    "peppol-sales-order-example.xml": [("S", "25", 132500, 33125)],
    "peppol-vat-category-E.xml": [("E", "0", 120000, 0)],
    "peppol-vat-category-O.xml": [("O", None, 320000, 0)],
    "peppol-vat-category-Z.xml": [("Z", "0", 120000, 0)],
}

# line, item, quantity, unit, price, base quantity, amount
LINES = {
    "peppol-Allowance-example.xml": [
        ("1", "item name", "10", "C62", "410", "1", 400000),
        ("2", "item name", "10", "C62", "200", "2", 100000),
        ("3", "item name", "10", "C62", "100", "1", 90000),
    ],
    "peppol-Norwegian-example-1.xml": [
        ("1", "Laptop computer", "1", "NAR", "1273", "1", 127300),
        ("2", 'Returned "Advanced computing" book', "-1", "NAR", "3.96", "1", -396),
        ("3", '"Computing for dummies" book', "2", "NAR", "2.48", "1", 496),
        ("4", "Returned IBM 5150 desktop", "-1", "NAR", "25", "1", -2500),
        ("5", "Network cable", "250", "MTR", "0.75", "1", 18750),
    ],
    "peppol-base-creditnote-correction.xml": [
        ("1", "item name", "7", "DAY", "400", "1", 280000),
        ("2", "item name 2", "-3", "DAY", "500", "1", -150000),
    ],
    "peppol-base-negative-inv-correction.xml": [
        ("1", "item name", "-7", "DAY", "400", "1", -280000),
        ("2", "item name 2", "3", "DAY", "500", "1", 150000),
    ],
    "peppol-vat-category-O.xml": [("1", "Road tax", "1", "EA", "3200", "1", 320000)],
}

# order, sales order, buyer, accounting cost, contract, preceding
REFERENCES = {
    "peppol-Allowance-example.xml": (
        None, None, "0150abc", "4025:123:4343", "framework no 1", [],
    ),
    "peppol-Norwegian-example-1.xml": (
        "123", None, "3150bdn", "Project cost code 123", "Contract321", [],
    ),
    "peppol-Vat-category-S.xml": (None, None, "0150abc", "4025:123:4343", None, []),
    "peppol-base-creditnote-correction.xml": (
        None, None, "0150abc", "4025:123:4343", None, ["Snippet1"],
    ),
    "peppol-base-example.xml": (None, None, "0150abc", "4025:123:4343", None, []),
    "peppol-base-negative-inv-correction.xml": (
        None, None, "0150abc", "4025:123:4343", None, ["Snippet1"],
    ),
    "peppol-sales-order-example.xml": (None, "123456", "0150abc", "4025:123:4343", None, []),
    "peppol-vat-category-E.xml": (None, None, "test reference", None, None, []),
    "peppol-vat-category-O.xml": (None, None, "test reference", None, None, []),
    "peppol-vat-category-Z.xml": (None, None, "test reference", None, None, []),
}  # fmt: skip


@pytest.fixture
def invoice(shared_invoices, request):
    path = shared_invoices / request.param
    return read(path.read_bytes(), filename=path.name)


def each(table):
    return pytest.mark.parametrize(
        ("invoice", "expected"), table.items(), indirect=["invoice"], ids=table
    )


@each(HEADS)
def test_a_peppol_document_says_who_what_and_when(invoice, expected):
    assert (
        invoice["kind"],
        invoice["number"],
        invoice["supplier_name"],
        invoice["supplier_id"],
        invoice["issue_date"],
        invoice["due_date"],
        invoice["currency"],
        len(invoice["lines"]),
    ) == expected


@each(TOTALS)
def test_a_peppol_document_keeps_its_totals(invoice, expected):
    totals = invoice["totals"]

    assert (
        totals["line_total"],
        totals["allowance_total"],
        totals["charge_total"],
        totals["tax_exclusive"],
        totals["tax_total"],
        totals["tax_inclusive"],
        totals["prepaid"],
        totals["rounding"],
        totals["payable"],
    ) == expected


@each(TAXES)
def test_a_peppol_document_keeps_its_taxes(invoice, expected):
    taxes = [(t["category"], t["rate"], t["taxable"], t["tax"]) for t in invoice["taxes"]]

    assert taxes == expected


@each(LINES)
def test_a_peppol_document_keeps_its_lines(invoice, expected):
    lines = [
        (
            line["id"],
            line["item"],
            line["quantity"],
            line["unit"],
            line["price"],
            line["base_quantity"],
            line["amount"],
        )
        for line in invoice["lines"]
    ]

    assert lines == expected


@each(REFERENCES)
def test_a_peppol_document_keeps_its_references(invoice, expected):
    references = invoice["references"]

    assert (
        references["order"],
        references["sales_order"],
        references["buyer"],
        references["accounting_cost"],
        references["contract"],
        references["preceding"],
    ) == expected


@each({name: [] for name in HEADS})
def test_nothing_in_a_peppol_document_is_doubtful(invoice, expected):
    assert invoice["warnings"] == expected


@each({"peppol-Norwegian-example-1.xml": None})
def test_every_identifier_of_the_supplier_is_kept(invoice, expected):
    supplier = invoice["supplier"]

    assert (
        supplier["trading_name"],
        supplier["registration_id"],
        supplier["ids"],
        supplier["endpoint_id"],
        supplier["tax_id"],
    ) == (
        "Salescompany ltd.",
        "0192:123456785",
        ["0088:1238764941386"],
        "0192:123456785",
        "Foretaksregisteret",
    )


@each({"peppol-Norwegian-example-1.xml": None})
def test_payee_and_tax_representative_are_not_the_supplier(invoice, expected):
    assert (invoice["payee"]["name"], invoice["tax_representative"]["vat_id"]) == (
        "Ebeneser Scrooge AS",
        "NO999999999MVA",
    )


@each({"peppol-Norwegian-example-1.xml": None})
def test_the_way_to_pay_is_kept(invoice, expected):
    assert invoice["payment_means"] == [
        {
            "code": "31",
            "payment_id": "0003434323213231",
            "account": "NO9386011117947",
            "account_name": None,
            "bic": "DNBANOKK",
        }
    ]


@each({"peppol-Allowance-example.xml": None})
def test_the_tax_in_the_accounting_currency_is_kept_apart(invoice, expected):
    assert (invoice["accounting_currency"], invoice["accounting_tax_total"]) == ("SEK", 932400)


@each({"peppol-Allowance-example.xml": None})
def test_allowances_and_charges_of_the_document_are_kept(invoice, expected):
    assert [
        (a["charge"], a["amount"], a["reason"], a["percent"]) for a in invoice["allowances"]
    ] == [
        (True, 20000, "Cleaning", "20"),
        (False, 20000, "Discount", None),
    ]


@each({"peppol-Allowance-example.xml": None})
def test_allowances_and_charges_of_a_line_and_its_price_are_kept(invoice, expected):
    line = invoice["lines"][0]

    assert (
        [(a["charge"], a["amount"]) for a in line["allowances"]],
        line["gross_price"],
        line["price_allowance"],
    ) == ([(True, 100), (False, 10100)], "450", "40")
