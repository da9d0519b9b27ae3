# ruff: noqa: E501 (the XML of the samples is not wrapped)
"""Makes the sample documents: run it after a change here and commit what it writes.

    .venv/bin/python tests/make_samples.py

`graphs/samples/` are the documents of a first run, `tests/samples/` those of the tests alone.
The companies, people and numbers in them are invented.
"""

from email.message import EmailMessage
from email.policy import SMTP
from io import BytesIO
from pathlib import Path

import facturx
import reportlab
from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

ROOT = Path(__file__).resolve().parents[1]
FIRST_RUN = ROOT / "graphs" / "samples"
TESTS = ROOT / "tests" / "samples"
INK = HexColor("#1f2a37")
QUIET = HexColor("#6b7280")

UBL_PARTY = """
    <cac:Party>
      <cbc:EndpointID schemeID="{endpoint_scheme}">{endpoint}</cbc:EndpointID>
      <cac:PartyName><cbc:Name>{name}</cbc:Name></cac:PartyName>
      <cac:PostalAddress>
        <cbc:StreetName>{street}</cbc:StreetName>
        <cbc:CityName>{city}</cbc:CityName>
        <cbc:PostalZone>{zone}</cbc:PostalZone>
        <cac:Country><cbc:IdentificationCode>{country}</cbc:IdentificationCode></cac:Country>
      </cac:PostalAddress>
      <cac:PartyTaxScheme>
        <cbc:CompanyID>{vat}</cbc:CompanyID>
        <cac:TaxScheme><cbc:ID>VAT</cbc:ID></cac:TaxScheme>
      </cac:PartyTaxScheme>
      <cac:PartyLegalEntity><cbc:RegistrationName>{name}</cbc:RegistrationName></cac:PartyLegalEntity>
    </cac:Party>"""
ACME = {
    "endpoint_scheme": "9935",
    "endpoint": "IE6388047V",
    "name": "Acme Office Supplies Ltd",
    "street": "14 Harbour Road",
    "city": "Dublin",
    "zone": "D02 AF30",
    "country": "IE",
    "vat": "IE6388047V",
}
BUYER = {
    "endpoint_scheme": "9930",
    "endpoint": "DE811907980",
    "name": "Aurora Instruments GmbH",
    "street": "Lindenallee 7",
    "city": "Leipzig",
    "zone": "04109",
    "country": "DE",
    "vat": "DE811907980",
}
TAX_CATEGORY = """<cac:{tag}>
        <cbc:ID>S</cbc:ID><cbc:Percent>23</cbc:Percent>
        <cac:TaxScheme><cbc:ID>VAT</cbc:ID></cac:TaxScheme>
      </cac:{tag}>"""
UBL = """<?xml version="1.0" encoding="UTF-8"?>
<{root} xmlns="urn:oasis:names:specification:ubl:schema:xsd:{root}-2"
  xmlns:cac="urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2"
  xmlns:cbc="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2">
  <cbc:CustomizationID>urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0</cbc:CustomizationID>
  <cbc:ProfileID>urn:fdc:peppol.eu:2017:poacc:billing:01:1.0</cbc:ProfileID>
  <cbc:ID>{number}</cbc:ID>
  <cbc:IssueDate>2026-09-14</cbc:IssueDate>
{head}
  <cac:AccountingSupplierParty>{supplier}
  </cac:AccountingSupplierParty>
  <cac:AccountingCustomerParty>{buyer}
  </cac:AccountingCustomerParty>
{body}
</{root}>
"""
INVOICE_HEAD = """  <cbc:DueDate>2026-10-14</cbc:DueDate>
  <cbc:InvoiceTypeCode>380</cbc:InvoiceTypeCode>
  <cbc:Note>Delivery to the third floor, goods lift in the yard.</cbc:Note>
  <cbc:DocumentCurrencyCode>EUR</cbc:DocumentCurrencyCode>
  <cbc:AccountingCost>office</cbc:AccountingCost>
  <cbc:BuyerReference>Facilities, Ms Weber</cbc:BuyerReference>
  <cac:OrderReference><cbc:ID>PO-20931</cbc:ID></cac:OrderReference>
  <cac:ContractDocumentReference><cbc:ID>Framework 2026/3</cbc:ID></cac:ContractDocumentReference>"""
CREDIT_HEAD = """  <cbc:CreditNoteTypeCode>381</cbc:CreditNoteTypeCode>
  <cbc:Note>Two chairs returned with a broken arm rest.</cbc:Note>
  <cbc:DocumentCurrencyCode>EUR</cbc:DocumentCurrencyCode>
  <cbc:AccountingCost>office</cbc:AccountingCost>
  <cbc:BuyerReference>Facilities, Ms Weber</cbc:BuyerReference>
  <cac:BillingReference>
    <cac:InvoiceDocumentReference><cbc:ID>ACME-2026-0417</cbc:ID></cac:InvoiceDocumentReference>
  </cac:BillingReference>"""
PAYMENT = """  <cac:PaymentMeans>
    <cbc:PaymentMeansCode name="SEPA credit transfer">58</cbc:PaymentMeansCode>
    <cbc:PaymentID>ACME-2026-0417</cbc:PaymentID>
    <cac:PayeeFinancialAccount>
      <cbc:ID>IE29AIBK93115212345678</cbc:ID>
      <cbc:Name>Acme Office Supplies Ltd</cbc:Name>
      <cac:FinancialInstitutionBranch><cbc:ID>AIBKIE2D</cbc:ID></cac:FinancialInstitutionBranch>
    </cac:PayeeFinancialAccount>
  </cac:PaymentMeans>
  <cac:PaymentTerms><cbc:Note>30 days net</cbc:Note></cac:PaymentTerms>"""
UBL_ALLOWANCE = """  <cac:AllowanceCharge>
    <cbc:ChargeIndicator>{charge}</cbc:ChargeIndicator>
    <cbc:AllowanceChargeReason>{reason}</cbc:AllowanceChargeReason>
    <cbc:Amount currencyID="EUR">{amount}</cbc:Amount>
      {category}
  </cac:AllowanceCharge>"""
UBL_LINE = """  <cac:{root}Line>
    <cbc:ID>{id}</cbc:ID>
    <cbc:{quantified}Quantity unitCode="{unit}">{quantity}</cbc:{quantified}Quantity>
    <cbc:LineExtensionAmount currencyID="EUR">{amount}</cbc:LineExtensionAmount>
    <cac:Item>
      <cbc:Description>{description}</cbc:Description>
      <cbc:Name>{name}</cbc:Name>
      <cac:SellersItemIdentification><cbc:ID>{item}</cbc:ID></cac:SellersItemIdentification>
      {category}
    </cac:Item>
    <cac:Price>
      <cbc:PriceAmount currencyID="EUR">{price}</cbc:PriceAmount>
      <cbc:BaseQuantity unitCode="{unit}">{base}</cbc:BaseQuantity>{price_allowance}
    </cac:Price>
  </cac:{root}Line>"""
PRICE_ALLOWANCE = """
      <cac:AllowanceCharge>
        <cbc:ChargeIndicator>false</cbc:ChargeIndicator>
        <cbc:Amount currencyID="EUR">{off}</cbc:Amount>
        <cbc:BaseAmount currencyID="EUR">{gross}</cbc:BaseAmount>
      </cac:AllowanceCharge>"""


def ubl_totals(
    lines: str, exclusive: str, tax: str, inclusive: str, allowance: str = "", charge: str = ""
) -> str:
    optional = "".join(
        f'\n    <cbc:{name} currencyID="EUR">{amount}</cbc:{name}>'
        for name, amount in (("AllowanceTotalAmount", allowance), ("ChargeTotalAmount", charge))
        if amount
    )
    return f"""  <cac:TaxTotal>
    <cbc:TaxAmount currencyID="EUR">{tax}</cbc:TaxAmount>
    <cac:TaxSubtotal>
      <cbc:TaxableAmount currencyID="EUR">{exclusive}</cbc:TaxableAmount>
      <cbc:TaxAmount currencyID="EUR">{tax}</cbc:TaxAmount>
      {TAX_CATEGORY.format(tag="TaxCategory")}
    </cac:TaxSubtotal>
  </cac:TaxTotal>
  <cac:LegalMonetaryTotal>
    <cbc:LineExtensionAmount currencyID="EUR">{lines}</cbc:LineExtensionAmount>
    <cbc:TaxExclusiveAmount currencyID="EUR">{exclusive}</cbc:TaxExclusiveAmount>
    <cbc:TaxInclusiveAmount currencyID="EUR">{inclusive}</cbc:TaxInclusiveAmount>{optional}
    <cbc:PayableAmount currencyID="EUR">{inclusive}</cbc:PayableAmount>
  </cac:LegalMonetaryTotal>"""


def ubl_line(root: str, position: int, fields: dict[str, str]) -> str:
    return UBL_LINE.format(
        root=root,
        quantified="Invoiced" if root == "Invoice" else "Credited",
        id=position,
        category=TAX_CATEGORY.format(tag="ClassifiedTaxCategory"),
        **({"base": "1", "price_allowance": ""} | fields),
    )


DESK = {
    "name": "Height-adjustable desk 160 x 80",
    "description": "Electric, oak top, memory for four heights",
    "item": "DSK-160-OAK",
    "unit": "EA",
    "quantity": "6",
    "price": "489.00",
    "amount": "2934.00",
}
CHAIR = {
    "name": "Task chair Linea",
    "description": "Mesh back, adjustable arm rests",
    "item": "CHR-LIN-BK",
    "unit": "EA",
    "quantity": "6",
    "price": "219.50",
    "amount": "1317.00",
    "price_allowance": PRICE_ALLOWANCE.format(off="25.50", gross="245.00"),
}
PAPER = {
    "name": "Copier paper A4, 80 g, 2500 sheets",
    "description": "Recycled, box of five reams",
    "item": "PAP-A4-80R",
    "unit": "XBX",
    "quantity": "40",
    "price": "18.90",
    "base": "5",
    "amount": "151.20",
}


def acme_invoice(payable_tax: str = "999.86", inclusive: str = "5347.06") -> str:
    category = TAX_CATEGORY.format(tag="TaxCategory")
    body = [
        PAYMENT,
        UBL_ALLOWANCE.format(
            charge="false", reason="Volume discount", amount="100.00", category=category
        ),
        UBL_ALLOWANCE.format(charge="true", reason="Delivery", amount="45.00", category=category),
        ubl_totals("4402.20", "4347.20", payable_tax, inclusive, "100.00", "45.00"),
        *(
            ubl_line("Invoice", position, line)
            for position, line in enumerate((DESK, CHAIR, PAPER), start=1)
        ),
    ]
    return UBL.format(
        root="Invoice",
        number="ACME-2026-0417",
        head=INVOICE_HEAD,
        supplier=UBL_PARTY.format(**ACME),
        buyer=UBL_PARTY.format(**BUYER),
        body="\n".join(body),
    )


def acme_credit_note() -> str:
    returned = CHAIR | {"quantity": "2", "amount": "439.00"}
    body = [
        ubl_totals("439.00", "439.00", "100.97", "539.97"),
        ubl_line("CreditNote", 1, returned),
    ]
    return UBL.format(
        root="CreditNote",
        number="ACME-CN-2026-0031",
        head=CREDIT_HEAD,
        supplier=UBL_PARTY.format(**ACME),
        buyer=UBL_PARTY.format(**BUYER),
        body="\n".join(body),
    )


CII_NAMESPACES = (
    'xmlns:rsm="urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100" '
    'xmlns:ram="urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100" '
    'xmlns:udt="urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100"'
)
CII_LINE = """
    <ram:IncludedSupplyChainTradeLineItem>
      <ram:AssociatedDocumentLineDocument><ram:LineID>{id}</ram:LineID></ram:AssociatedDocumentLineDocument>
      <ram:SpecifiedTradeProduct>
        <ram:SellerAssignedID>{item}</ram:SellerAssignedID>
        <ram:Name>{name}</ram:Name>
      </ram:SpecifiedTradeProduct>
      <ram:SpecifiedLineTradeAgreement>
        <ram:NetPriceProductTradePrice><ram:ChargeAmount>{price}</ram:ChargeAmount></ram:NetPriceProductTradePrice>
      </ram:SpecifiedLineTradeAgreement>
      <ram:SpecifiedLineTradeDelivery>
        <ram:BilledQuantity unitCode="{unit}">{quantity}</ram:BilledQuantity>
      </ram:SpecifiedLineTradeDelivery>
      <ram:SpecifiedLineTradeSettlement>
        <ram:ApplicableTradeTax>
          <ram:TypeCode>VAT</ram:TypeCode>
          <ram:CategoryCode>S</ram:CategoryCode>
          <ram:RateApplicablePercent>19.00</ram:RateApplicablePercent>
        </ram:ApplicableTradeTax>
        <ram:SpecifiedTradeSettlementLineMonetarySummation>
          <ram:LineTotalAmount>{amount}</ram:LineTotalAmount>
        </ram:SpecifiedTradeSettlementLineMonetarySummation>
      </ram:SpecifiedLineTradeSettlement>
    </ram:IncludedSupplyChainTradeLineItem>"""
NORDLICHT_LINES = (
    ("NB-14-G9", 'Laptop 14", 32 GB, 1 TB', "8", "H87", "Stk.", "1149.00", "9192.00"),
    ("DOCK-C3", "Docking station USB-C", "8", "H87", "Stk.", "139.90", "1119.20"),
    ("SVC-SETUP", "Set-up and data transfer", "3", "HUR", "Std.", "95.00", "285.00"),
)


def nordlicht_xml() -> str:
    lines = "".join(
        CII_LINE.format(
            id=position,
            item=item,
            name=name,
            quantity=quantity,
            unit=unit,
            price=price,
            amount=amount,
        )
        for position, (item, name, quantity, unit, _, price, amount) in enumerate(
            NORDLICHT_LINES, start=1
        )
    )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<rsm:CrossIndustryInvoice {CII_NAMESPACES}>
  <rsm:ExchangedDocumentContext>
    <ram:GuidelineSpecifiedDocumentContextParameter>
      <ram:ID>urn:cen.eu:en16931:2017</ram:ID>
    </ram:GuidelineSpecifiedDocumentContextParameter>
  </rsm:ExchangedDocumentContext>
  <rsm:ExchangedDocument>
    <ram:ID>NL-2026-1183</ram:ID>
    <ram:TypeCode>380</ram:TypeCode>
    <ram:IssueDateTime><udt:DateTimeString format="102">20260916</udt:DateTimeString></ram:IssueDateTime>
    <ram:IncludedNote><ram:Content>Lieferung frei Haus, Geräte sind inventarisiert.</ram:Content></ram:IncludedNote>
  </rsm:ExchangedDocument>
  <rsm:SupplyChainTradeTransaction>{lines}
    <ram:ApplicableHeaderTradeAgreement>
      <ram:BuyerReference>it</ram:BuyerReference>
      <ram:SellerTradeParty>
        <ram:GlobalID schemeID="0088">4012345000009</ram:GlobalID>
        <ram:Name>Nordlicht Systemhaus GmbH</ram:Name>
        <ram:DefinedTradeContact>
          <ram:PersonName>Jette Petersen</ram:PersonName>
          <ram:EmailURIUniversalCommunication><ram:URIID>rechnung@nordlicht.example</ram:URIID></ram:EmailURIUniversalCommunication>
        </ram:DefinedTradeContact>
        <ram:PostalTradeAddress>
          <ram:PostcodeCode>20457</ram:PostcodeCode>
          <ram:LineOne>Am Sandtorkai 30</ram:LineOne>
          <ram:CityName>Hamburg</ram:CityName>
          <ram:CountryID>DE</ram:CountryID>
        </ram:PostalTradeAddress>
        <ram:SpecifiedTaxRegistration><ram:ID schemeID="VA">DE136695976</ram:ID></ram:SpecifiedTaxRegistration>
      </ram:SellerTradeParty>
      <ram:BuyerTradeParty>
        <ram:Name>Aurora Instruments GmbH</ram:Name>
        <ram:PostalTradeAddress>
          <ram:PostcodeCode>04109</ram:PostcodeCode>
          <ram:LineOne>Lindenallee 7</ram:LineOne>
          <ram:CityName>Leipzig</ram:CityName>
          <ram:CountryID>DE</ram:CountryID>
        </ram:PostalTradeAddress>
      </ram:BuyerTradeParty>
      <ram:BuyerOrderReferencedDocument><ram:IssuerAssignedID>PO-88121</ram:IssuerAssignedID></ram:BuyerOrderReferencedDocument>
    </ram:ApplicableHeaderTradeAgreement>
    <ram:ApplicableHeaderTradeDelivery>
      <ram:ActualDeliverySupplyChainEvent>
        <ram:OccurrenceDateTime><udt:DateTimeString format="102">20260915</udt:DateTimeString></ram:OccurrenceDateTime>
      </ram:ActualDeliverySupplyChainEvent>
    </ram:ApplicableHeaderTradeDelivery>
    <ram:ApplicableHeaderTradeSettlement>
      <ram:PaymentReference>NL-2026-1183</ram:PaymentReference>
      <ram:InvoiceCurrencyCode>EUR</ram:InvoiceCurrencyCode>
      <ram:SpecifiedTradeSettlementPaymentMeans>
        <ram:TypeCode>58</ram:TypeCode>
        <ram:PayeePartyCreditorFinancialAccount>
          <ram:IBANID>DE89370400440532013000</ram:IBANID>
          <ram:AccountName>Nordlicht Systemhaus GmbH</ram:AccountName>
        </ram:PayeePartyCreditorFinancialAccount>
        <ram:PayeeSpecifiedCreditorFinancialInstitution><ram:BICID>COBADEFFXXX</ram:BICID></ram:PayeeSpecifiedCreditorFinancialInstitution>
      </ram:SpecifiedTradeSettlementPaymentMeans>
      <ram:ApplicableTradeTax>
        <ram:CalculatedAmount>2013.28</ram:CalculatedAmount>
        <ram:TypeCode>VAT</ram:TypeCode>
        <ram:BasisAmount>10596.20</ram:BasisAmount>
        <ram:CategoryCode>S</ram:CategoryCode>
        <ram:RateApplicablePercent>19.00</ram:RateApplicablePercent>
      </ram:ApplicableTradeTax>
      <ram:SpecifiedTradePaymentTerms>
        <ram:Description>Zahlbar ohne Abzug bis 16.10.2026</ram:Description>
        <ram:DueDateDateTime><udt:DateTimeString format="102">20261016</udt:DateTimeString></ram:DueDateDateTime>
      </ram:SpecifiedTradePaymentTerms>
      <ram:SpecifiedTradeSettlementHeaderMonetarySummation>
        <ram:LineTotalAmount>10596.20</ram:LineTotalAmount>
        <ram:TaxBasisTotalAmount>10596.20</ram:TaxBasisTotalAmount>
        <ram:TaxTotalAmount currencyID="EUR">2013.28</ram:TaxTotalAmount>
        <ram:GrandTotalAmount>12609.48</ram:GrandTotalAmount>
        <ram:DuePayableAmount>12609.48</ram:DuePayableAmount>
      </ram:SpecifiedTradeSettlementHeaderMonetarySummation>
    </ram:ApplicableHeaderTradeSettlement>
  </rsm:SupplyChainTradeTransaction>
</rsm:CrossIndustryInvoice>
"""


def german(amount: str) -> str:
    whole, _, cents = amount.partition(".")
    return f"{int(whole):,}".replace(",", ".") + f",{cents}"


def page(
    title: str,
    facts: list[tuple[str, str]],
    rows: list[tuple[str, ...]],
    totals: list[tuple[str, str]],
    sender: tuple[str, ...],
    buyer: tuple[str, ...],
    footer: tuple[str, ...],
) -> bytes:
    """Return a one-page invoice; the first of `rows` is the heading."""
    fonts = Path(reportlab.__file__).parent / "fonts"
    pdfmetrics.registerFont(TTFont("Vera", fonts / "Vera.ttf"))
    pdfmetrics.registerFont(TTFont("VeraBd", fonts / "VeraBd.ttf"))
    output = BytesIO()
    canvas = Canvas(output, pagesize=A4, invariant=1)
    canvas.setTitle(title)
    canvas.setAuthor(sender[0])
    canvas.setFillColor(INK)
    canvas.setFont("VeraBd", 15)
    canvas.drawString(60, 780, sender[0])
    canvas.setFont("Vera", 8)
    canvas.setFillColor(QUIET)
    for index, line in enumerate(sender[1:]):
        canvas.drawString(60, 764 - 12 * index, line)
    canvas.setFillColor(INK)
    canvas.setFont("Vera", 9)
    for index, line in enumerate(buyer):
        canvas.drawString(60, 700 - 13 * index, line)
    for index, (label, value) in enumerate(facts):
        canvas.drawString(340, 700 - 13 * index, label)
        canvas.drawRightString(535, 700 - 13 * index, value)
    canvas.setFont("VeraBd", 12)
    canvas.drawString(60, 600, title)
    y = 570
    for index, (name, quantity, price, amount) in enumerate(rows):
        canvas.setFont("VeraBd" if index == 0 else "Vera", 9)
        canvas.drawString(60, y, name)
        canvas.drawRightString(360, y, quantity)
        canvas.drawRightString(450, y, price)
        canvas.drawRightString(535, y, amount)
        canvas.setStrokeColor(QUIET)
        canvas.setLineWidth(0.8 if index == 0 else 0.2)
        canvas.line(60, y - 6, 535, y - 6)
        y -= 22
    for index, (label, amount) in enumerate(totals):
        canvas.setFont("VeraBd" if index == len(totals) - 1 else "Vera", 9)
        canvas.drawString(340, y - 6, label)
        canvas.drawRightString(535, y - 6, amount)
        y -= 16
    canvas.setFont("Vera", 7.5)
    canvas.setFillColor(QUIET)
    for index, line in enumerate(footer):
        canvas.drawString(60, 70 - 11 * index, line)
    canvas.save()
    return output.getvalue()


def nordlicht_pdf() -> bytes:
    return page(
        "Rechnung NL-2026-1183",
        [
            ("Rechnungsnummer:", "NL-2026-1183"),
            ("Rechnungsdatum:", "16.09.2026"),
            ("Lieferdatum:", "15.09.2026"),
            ("Ihre Bestellung:", "PO-88121"),
            ("Fällig am:", "16.10.2026"),
        ],
        [
            ("Bezeichnung", "Menge", "Einzelpreis", "Betrag EUR"),
            *(
                (name, f"{quantity} {unit}", german(price), german(amount))
                for _, name, quantity, _, unit, price, amount in NORDLICHT_LINES
            ),
        ],
        [
            ("Nettobetrag", "10.596,20 EUR"),
            ("zzgl. 19 % MwSt.", "2.013,28 EUR"),
            ("Rechnungsbetrag", "12.609,48 EUR"),
        ],
        ("Nordlicht Systemhaus GmbH", "Am Sandtorkai 30, 20457 Hamburg"),
        ("Aurora Instruments GmbH", "Lindenallee 7", "04109 Leipzig"),
        (
            "Nordlicht Systemhaus GmbH · Geschäftsführerin Jette Petersen · Amtsgericht Hamburg",
            "USt-IdNr. DE136695976 · IBAN DE89 3704 0044 0532 0130 00 · BIC COBADEFFXXX",
        ),
    )


FJORDTRYKK_TEXT = """Hei,

takk for bestillingen. Brosjyrene ble levert i går; her er fakturaen.

Fjordtrykk AS
Strandgaten 12, 5013 Bergen
Org.nr. NO 987 654 325 MVA

Fakturanr.:      20260918
Fakturadato:     18.09.2026
Forfallsdato:    02.10.2026
Deres ref.:      marketing
Bestillingsnr.:  MK-204

Beskrivelse                    Antall        Pris          Beløp
Brosjyrer A5, 16 sider      2 500 stk        4,80      12 000,00
Rollup til messe                3 stk    1 150,00       3 450,00

Sum eks. mva                                           15 450,00
MVA 25 %                                                3 862,50
Å betale NOK                                           19 312,50

Kontonummer IBAN: NO93 8601 1117 947

Vennlig hilsen
Ingrid Solheim
Fjordtrykk AS
"""


def fjordtrykk_mail() -> bytes:
    mail = EmailMessage(policy=SMTP)
    mail["From"] = "Fjordtrykk AS <faktura@fjordtrykk.example>"
    mail["To"] = "invoices@aurora.example"
    mail["Subject"] = "Faktura 20260918 fra Fjordtrykk"
    mail["Date"] = "Fri, 18 Sep 2026 09:12:44 +0200"
    mail["Message-ID"] = "<20260918.091244@fjordtrykk.example>"
    mail.set_content(FJORDTRYKK_TEXT)
    return mail.as_bytes()


def forwarded_mail() -> bytes:
    """Return a mail that forwards a mail that carries the Acme invoice as XML and as a PDF."""
    inner = EmailMessage(policy=SMTP)
    inner["From"] = "Acme Accounts <accounts@acme.example>"
    inner["To"] = "office@aurora.example"
    inner["Subject"] = "Your invoice ACME-2026-0417"
    inner["Date"] = "Mon, 14 Sep 2026 16:03:10 +0100"
    inner.set_content("Please find our invoice attached.\n")
    inner.add_attachment(
        b"%PDF-1.4 not the one to read", maintype="application", subtype="pdf", filename="terms.pdf"
    )
    inner.add_attachment(
        acme_invoice().encode(), maintype="application", subtype="xml", filename="ACME-0417.xml"
    )
    inner.set_boundary("==acme==")
    outer = EmailMessage(policy=SMTP)
    outer["From"] = "Weber, Anna <anna.weber@aurora.example>"
    outer["To"] = "invoices@aurora.example"
    outer["Subject"] = "Fwd: Your invoice ACME-2026-0417"
    outer["Date"] = "Tue, 15 Sep 2026 08:20:00 +0200"
    outer.set_content("Please pay.\n")
    outer.add_attachment(inner)
    outer.set_boundary("==aurora==")
    return outer.as_bytes()


def main() -> None:
    FIRST_RUN.mkdir(exist_ok=True)
    TESTS.mkdir(exist_ok=True)
    (FIRST_RUN / "acme-office-supplies.xml").write_text(acme_invoice())
    (FIRST_RUN / "nordlicht-laptops.pdf").write_bytes(
        facturx.generate_from_binary(
            nordlicht_pdf(), nordlicht_xml().encode(), flavor="factur-x", level="en16931"
        )
    )
    (FIRST_RUN / "fjordtrykk-brochures.eml").write_bytes(fjordtrykk_mail())
    (TESTS / "acme-credit-note.xml").write_text(acme_credit_note())
    (TESTS / "acme-wrong-totals.xml").write_text(acme_invoice(inclusive="5437.06"))
    (TESTS / "nordlicht-text-only.pdf").write_bytes(nordlicht_pdf())
    (TESTS / "acme-forwarded.eml").write_bytes(forwarded_mail())


if __name__ == "__main__":
    main()
