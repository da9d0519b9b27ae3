"""Plain text in seven languages and several layouts."""

import pytest

from nodes.services.documents import read
from state.errors import DocumentError


def read_text(text):
    return read(text.encode(), filename="invoice.txt")


def refused(text):
    with pytest.raises(DocumentError) as caught:
        read_text(text)
    return caught.value


def gist(invoice):
    totals = invoice["totals"]
    return (
        invoice["kind"],
        invoice["number"],
        invoice["supplier_name"],
        invoice["supplier_id"],
        invoice["issue_date"],
        invoice["due_date"],
        invoice["currency"],
        totals["tax_exclusive"],
        totals["tax_total"],
        totals["tax_inclusive"],
        totals["payable"],
    )


ENGLISH = """\
INVOICE

Brightwater Cleaning Ltd                         Invoice No: BW-1042
22 Mill Lane, Leeds LS1 4AB                      Invoice date: 3 September 2026
Company No. 0456 7891                            Due date: 17 September 2026
                                                 Your PO No: 4500012

Bill to:
Aurora Instruments Ltd
VAT No: GB999999973

Description                    Qty     Unit price      Amount
Office cleaning, August       22 h          18.50      407.00
Window cleaning                  1         125.00      125.00

                               Subtotal                 532.00
                               VAT 20%                  106.40
                               Total due GBP            638.40

VAT registration no. GB 123 4567 89
IBAN GB29 NWBK 6016 1331 9268 19
"""

GERMAN = """\
Holzwerk Maier KG · Sägeweg 3 · 83022 Rosenheim

Aurora Instruments GmbH
Lindenallee 7
04109 Leipzig
                                             Rechnungsnr.: 2026/0815
                                             Datum: 01.09.2026
                                             Fällig: 15.09.2026
Rechnung

Pos  Bezeichnung             Menge   Einzelpreis      Gesamt
1    Schreibtisch Eiche      2 Stk      1.249,00    2.498,00
2    Montage                 3,5 Std       68,00      238,00

Zwischensumme                                       2.736,00
abzgl. Rabatt                                        -36,00
Nettobetrag                                         2.700,00
zzgl. 19% MwSt.                                       513,00
Gesamtbetrag                                        3.213,00 €

USt-IdNr.: DE 811 907 980
"""

FRENCH = """\
Papeterie du Port SARL
8 quai des Brumes, 33000 Bordeaux
SIRET 732 829 320 00074
TVA intracommunautaire : FR40303265045

FACTURE N° F2026-118
Date de facture : 5 septembre 2026
Échéance : 05/10/2026
Bon de commande n° CM-77

Désignation              Quantité      Prix     Montant
Ramettes A4                   120      3,90      468,00
Classeurs                      40      2,15       86,00

Total HT                                         554,00 €
TVA 20 %                                         110,80 €
Total TTC                                        664,80 €
Net à payer                                      664,80 €
"""

DUTCH = """\
FACTUUR                                           Bouwmarkt De Vries B.V.
                                                  Kanaalweg 12, 3526 KM Utrecht
                                                  KvK 30123456
                                                  BTW NL810433941B01

Factuuradres
Voorbeeld Bouw BV

Factuurnummer:   2026-0815
Factuurdatum:    3 oktober 2026
Vervaldatum:     2 november 2026
Uw bestelnummer: PO-4711

Omschrijving             Aantal     Prijs        Bedrag
Multiplex 18 mm          12 stuks   45,50        546,00
Schroeven 4x40 (doos)    20          3,95         79,00

Subtotaal exclusief BTW                       € 625,00
BTW 21%                                       € 131,25
Totaal inclusief BTW                          € 756,25
Te betalen                                    € 756,25
"""

SWEDISH = """\
Norrland Data AB                                  FAKTURA
Storgatan 5, 903 26 Umeå
Momsreg.nr SE556677889901

Faktureras:
Kommunala Bolaget AB

Fakturanummer    10245
Fakturadatum     2026-09-30
Förfallodatum    2026-10-30

Beskrivning                Antal    Pris       Summa
Bärbar dator               2 st     12 450,00  24 900,00
Installation               5 tim    950,00      4 750,00

Summa exkl. moms                              29 650,00
Moms 25 %                                      7 412,50
Att betala SEK                                37 062,50
"""

DANISH = """\
Københavns Kontor ApS
CVR 12345678

Faktura nr. 9001
Dato: 1. oktober 2026
Betales senest 15. oktober 2026

Beskrivelse     Antal    Pris      Beløb
Stole           4        1.250,00  5.000,00

Subtotal                           5.000,00
Moms 25%                           1.250,00
I alt DKK                          6.250,00
"""

SWISS = """\
Alpen IT AG
CHE-123.456.788 MWST

Rechnung Nr. 2026-55
Datum: 1.10.2026
Zahlbar bis 31.10.2026

Beratung         10 Std   180.00      1'800.00
Lizenz            1       2'450.00    2'450.00

Zwischensumme                  CHF    4'250.00
MwSt. 8.1%                     CHF      344.25
Total CHF                             4'594.25
"""

SENTENCE = """\
Invoice INV-77 from Acme Ltd
Date: 2026-10-01
Total: 100.00 EUR
"""

NUMBER_BELOW_THE_TITLE = """\
                                     INVOICE
                                     # 1001
Acme Widgets Inc.

Date:        Oct 1, 2026

Item                  Quantity     Rate        Amount
Widget                5            $1,501.50   $7,507.50

                                   Total:      $7,507.50
"""

NORWEGIAN_CREDIT = """\
Kreditnota

Leverandør: Fjordtrykk AS
Org.nr. 987 654 325 MVA
Kreditnota nr. 771
Dato 20.09.2026
Gjelder faktura nr. 20260918

Sum eks. mva        1 000,00
Mva 25 %              250,00
Totalt kr           1 250,00
"""

ONE_LINE_LABELS = """\
From: Delta Hosting Inc.
Supplier no: S-4711
Invoice # 1001
Date: 09/30/2026
Cloud hosting, September: 2 x 1,250.00 = 2,500.00
Total: $2,500.00
"""

COLUMNS_WITH_LABELS_ABOVE = """\
Kestrel Tools BV
GLN 8712345000004

Invoice number        Invoice date        Due date
KT-88                 2026-09-01          2026-09-30

Total excl. VAT       EUR 1.000,00
VAT 21%               EUR 210,00
Total incl. VAT       EUR 1.210,00
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            ENGLISH,
            (
                "invoice", "BW-1042", "Brightwater Cleaning Ltd", "GB123456789",
                "2026-09-03", "2026-09-17", "GBP", 53200, 10640, 63840, 63840,
            ),
        ),
        (
            GERMAN,
            (
                "invoice", "2026/0815", "Holzwerk Maier KG",
                "DE811907980", "2026-09-01", "2026-09-15", "EUR", 270000, 51300, 321300, 321300,
            ),
        ),
        (
            FRENCH,
            (
                "invoice", "F2026-118", "Papeterie du Port SARL", "FR40303265045",
                "2026-09-05", "2026-10-05", "EUR", 55400, 11080, 66480, 66480,
            ),
        ),
        (
            DUTCH,
            (
                "invoice", "2026-0815", "Bouwmarkt De Vries B.V.", "NL810433941B01",
                "2026-10-03", "2026-11-02", "EUR", 62500, 13125, 75625, 75625,
            ),
        ),
        (
            SWEDISH,
            (
                "invoice", "10245", "Norrland Data AB", "SE556677889901",
                "2026-09-30", "2026-10-30", "SEK", 2965000, 741250, 3706250, 3706250,
            ),
        ),
        (
            DANISH,
            (
                "invoice", "9001", "Københavns Kontor ApS", "12345678",
                "2026-10-01", "2026-10-15", "DKK", 500000, 125000, 625000, 625000,
            ),
        ),
        (
            SWISS,
            (
                "invoice", "2026-55", "Alpen IT AG", "CHE123456788",
                "2026-10-01", "2026-10-31", "CHF", 425000, 34425, 459425, 459425,
            ),
        ),
        (
            SENTENCE,
            (
                "invoice", "INV-77", "Acme Ltd", "NAME:ACME LTD",
                "2026-10-01", None, "EUR", 10000, 0, 10000, 10000,
            ),
        ),
        (
            NUMBER_BELOW_THE_TITLE,
            (
                "invoice", "1001", "Acme Widgets Inc.", "NAME:ACME WIDGETS INC.",
                "2026-10-01", None, "USD", 750750, 0, 750750, 750750,
            ),
        ),
        (
            NORWEGIAN_CREDIT,
            (
                "credit_note", "771", "Fjordtrykk AS", "NO987654325MVA",
                "2026-09-20", None, "NOK", 100000, 25000, 125000, 125000,
            ),
        ),
        (
            ONE_LINE_LABELS,
            (
                "invoice", "1001", "Delta Hosting Inc.", "S-4711",
                "2026-09-30", None, "USD", 250000, 0, 250000, 250000,
            ),
        ),
        (
            COLUMNS_WITH_LABELS_ABOVE,
            (
                "invoice", "KT-88", "Kestrel Tools BV", "0088:8712345000004",
                "2026-09-01", "2026-09-30", "EUR", 100000, 21000, 121000, 121000,
            ),
        ),
    ],
    ids=[
        "english", "german", "french", "dutch", "swedish", "danish", "swiss", "sentence",
        "number-below", "norwegian", "one-line", "columns",
    ],
)  # fmt: skip
def test_a_text_says_who_what_when_and_how_much(text, expected):
    assert gist(read_text(text)) == expected


def lines_of(text):
    return [
        (line["item"], line["quantity"], line["unit"], line["price"], line["amount"])
        for line in read_text(text)["lines"]
    ]


def test_lines_are_rows_where_quantity_and_price_make_the_amount():
    assert lines_of(ENGLISH) == [
        ("Office cleaning, August", "22", "h", "18.5", 40700),
        ("Window cleaning", "1", None, "125", 12500),
    ]


def test_positions_units_and_german_numbers_are_understood():
    assert lines_of(GERMAN) == [
        ("Schreibtisch Eiche", "2", "Stk", "1249", 249800),
        ("Montage", "3.5", "Std", "68", 23800),
    ]


def test_a_line_may_stand_in_a_sentence():
    assert lines_of(ONE_LINE_LABELS) == [
        ("Cloud hosting, September", "2", None, "1250", 250000),
    ]


def test_a_discount_between_lines_and_net_total_is_an_allowance():
    invoice = read_text(GERMAN)

    assert [(a["charge"], a["amount"]) for a in invoice["allowances"]] == [(False, 3600)]


def test_references_are_found():
    references = read_text(FRENCH)["references"]

    assert references["order"] == "CM-77"


def test_a_credit_note_names_the_invoice_it_takes_back():
    assert read_text(NORWEGIAN_CREDIT)["references"]["preceding"] == ["20260918"]


def test_the_buyers_vat_identifier_is_not_the_suppliers():
    assert read_text(ENGLISH)["supplier"]["vat_id"] == "GB123456789"


def test_the_buyer_is_named():
    assert read_text(ENGLISH)["buyer"]["name"] == "Aurora Instruments Ltd"


@pytest.mark.parametrize(
    ("label", "text", "field"),
    [
        ("Invoice No: BW-1042", "", "invoice number"),
        ("Total due GBP            638.40", "GBP", "total"),
        ("Invoice date: 3 September 2026", "", "invoice date"),
    ],
)
def test_what_is_missing_is_named_by_its_label(label, text, field):
    english = ENGLISH.replace("Due date: 17 September 2026", "")

    assert refused(english.replace(label, text)).field == field


def test_a_supplier_without_identifier_is_known_by_name_and_doubted():
    invoice = read_text(ONE_LINE_LABELS.replace("Supplier no: S-4711\n", ""))

    assert (invoice["supplier_id"], "by its name only" in str(invoice["warnings"])) == (
        "NAME:DELTA HOSTING INC.",
        True,
    )


def test_a_bank_code_that_ends_like_a_currency_is_none():
    text = DUTCH.replace("KvK 30123456", "SWIFT HELADEF1GEL")

    assert read_text(text)["currency"] == "EUR"


def test_a_total_finer_than_its_currency_is_refused_by_its_label():
    error = refused(ONE_LINE_LABELS.replace("Total: $2,500.00", "Total: $2,500.005"))

    assert (error.code, error.field) == ("too_precise", "Total: $2,500.005")


def test_a_remark_about_tax_does_not_end_the_lines():
    text = DUTCH.replace("Schroeven 4x40", "BTW: zie onder\nSchroeven 4x40")

    assert [line["amount"] for line in read_text(text)["lines"]] == [54600, 7900]


def test_of_two_subtotals_the_one_without_tax_is_the_net_total():
    text = DUTCH.replace("Totaal inclusief BTW ", "Subtotaal            ")

    assert read_text(text)["totals"]["tax_exclusive"] == 62500


def test_a_total_beside_another_sentence_is_no_line():
    text = NUMBER_BELOW_THE_TITLE.replace(
        "                                   Total: ", "Prices include tax                 Total: "
    )

    assert len(read_text(text)["lines"]) == 1


def test_the_mailbox_of_a_forwarded_sender_is_no_part_of_the_name():
    text = ONE_LINE_LABELS.replace("Hosting Inc.", "Hosting Inc. <billing@delta.example>")

    assert read_text(text)["supplier_name"] == "Delta Hosting Inc."


def test_the_buyers_label_is_nobodys_name():
    assert read_text(f"Factuuradres\nPiet\n\n{DUTCH}")["supplier_name"] != "Factuuradres"


def test_a_text_without_currency_is_refused():
    assert refused(ONE_LINE_LABELS.replace("$", "")).field == "currency"


def test_a_day_that_does_not_exist_is_refused_by_its_label():
    error = refused(GERMAN.replace("01.09.2026", "31.02.2026"))

    assert (error.code, error.field) == ("invalid_date", "invoice date")


def test_lines_that_do_not_add_up_are_refused():
    error = refused(
        ENGLISH.replace("22 h          18.50      407.00", "20 h          18.50      370.00")
    )

    assert (error.code, error.field) == ("wrong_total", "net total")


def test_totals_that_do_not_add_up_are_refused():
    error = refused(GERMAN.replace("3.213,00", "3.312,00"))

    assert (error.code, error.field, error.expected) == (
        "wrong_total",
        "total",
        "3,213.00 EUR (tax exclusive + tax)",
    )


def test_an_ambiguous_day_is_read_day_first_and_doubted():
    invoice = read_text(ENGLISH.replace("3 September 2026", "03/09/2026"))

    assert (invoice["issue_date"], len(invoice["warnings"])) == ("2026-09-03", 1)


@pytest.mark.parametrize("total", ["1.210,00", "1 210,00", "1'210,00", "1\u00a0210,00", "1210,00"])
def test_thousands_may_be_parted_by_any_sign(total):
    text = COLUMNS_WITH_LABELS_ABOVE.replace("1.210,00", total)

    assert read_text(text)["totals"]["payable"] == 121000


@pytest.mark.parametrize(("written", "amount"), [("1.000 €", 100000), ("€ 1,000", 100000)])
def test_a_text_without_cents_has_thousands_and_no_thousandths(written, amount):
    text = ONE_LINE_LABELS.replace("Cloud hosting, September: 2 x 1,250.00 = 2,500.00\n", "")

    assert read_text(text.replace("$2,500.00", written))["totals"]["payable"] == amount


def test_a_text_without_amounts_is_no_invoice():
    assert refused("Dear all, the office is closed on Monday.").code == "no_invoice_found"


@pytest.mark.parametrize(
    "content", [b"\x89PNG\r\n\x1a\n\x00\x00", b"PK\x03\x04\x00\x00", b"\x00\x01\x02\xff"]
)
def test_another_kind_of_file_is_refused(content):
    with pytest.raises(DocumentError) as caught:
        read(content, filename="scan.png")

    assert caught.value.code == "unsupported_type"


def test_control_characters_never_reach_the_invoice():
    invoice = read_text(ONE_LINE_LABELS.replace("Cloud", "Clo\x07ud\u200b"))

    assert "\x07" not in str(invoice["lines"])


@pytest.mark.parametrize("sign", ["1", "a", "0.", "A1-"])
def test_a_line_is_read_as_far_as_a_page_is_wide(sign):
    # The rules take minutes for such a line as a whole.
    endless = sign * (290_000 // len(sign))

    assert read_text(f"{ONE_LINE_LABELS}\n{endless}\n") == read_text(
        f"{ONE_LINE_LABELS}\n{endless[:1_000]}\n"
    )


@pytest.mark.parametrize("signs", ["0.", "1,"])
def test_numbers_without_end_are_tried_once(signs):
    # From each of its digits anew it would take a minute.
    rows = f"{signs * 480}\n" * 290

    assert read_text(f"{ONE_LINE_LABELS}\n{rows}")["currency"] == "USD"
