"""UBL 2.1 invoices and credit notes: Peppol BIS Billing 3.0, other profiles of EN 16931, plain UBL.

What EN 16931 demands is demanded of a document that claims it; plain UBL may leave out the totals
that can be computed, quantities, prices and item names. `(BT-n)` are the standard's business terms.
"""

from lxml import etree

from nodes.services.documents.xml_tree import (
    Node,
    local_name,
    unknown_currency,
)
from state.errors import MissingFieldError
from state.invoice import (
    CREDIT_NOTE_CODES,
    Allowance,
    Invoice,
    InvoiceLine,
    Kind,
    Party,
    PaymentMeans,
    References,
    TaxSubtotal,
    Totals,
    claims_en16931,
    name_unidentified,
    party_id,
    scoped,
    vat_identifier,
)
from state.money import CURRENCIES

_UBL = "urn:oasis:names:specification:ubl:schema:xsd:"
INVOICE = f"{{{_UBL}Invoice-2}}Invoice"
CREDIT_NOTE = f"{{{_UBL}CreditNote-2}}CreditNote"
NAMESPACES = {
    "cac": f"{_UBL}CommonAggregateComponents-2",
    "cbc": f"{_UBL}CommonBasicComponents-2",
}

VAT_SCHEMES = frozenset({"VAT", "GST"})
"""Tax schemes whose registration is a VAT identifier; GST is VAT in Australia and Singapore."""

CREDITOR_SCHEME = "SEPA"
"""Scheme of a bank's creditor reference (BT-90), which stands among the seller's identifiers."""

THIRD_PARTY_PROFILE = "kosit:extension:xrechnung"

NAMES = {
    "number": "cbc:ID",
    "currency": "cbc:DocumentCurrencyCode",
    "supplier_id": "cac:AccountingSupplierParty/cac:Party/cac:PartyTaxScheme/cbc:CompanyID",
    "totals.line_total": "cac:LegalMonetaryTotal/cbc:LineExtensionAmount",
    "totals.allowance_total": "cac:LegalMonetaryTotal/cbc:AllowanceTotalAmount",
    "totals.charge_total": "cac:LegalMonetaryTotal/cbc:ChargeTotalAmount",
    "totals.tax_exclusive": "cac:LegalMonetaryTotal/cbc:TaxExclusiveAmount",
    "totals.tax_total": "cac:TaxTotal/cbc:TaxAmount",
    "totals.tax_inclusive": "cac:LegalMonetaryTotal/cbc:TaxInclusiveAmount",
    "totals.payable": "cac:LegalMonetaryTotal/cbc:PayableAmount",
    "taxes.tax": "cac:TaxTotal/cac:TaxSubtotal[{position}]/cbc:TaxAmount",
    "lines.amount": "cac:{kind}Line[{position}]/cbc:LineExtensionAmount",
}
"""Where a field of `Invoice` stands in the document."""


def read_ubl(root: etree._Element) -> Invoice:
    """Return what an `Invoice` or `CreditNote` element says; totals are not checked yet.

    Raises:
        MissingFieldError: a field that the order needs, or that the claimed profile demands.
        InvalidFieldError: a number, date, currency or indicator that is none.
    """
    document = Node(element=root, path="", namespaces=NAMESPACES)
    profile = document.text("cbc:CustomizationID")
    demanding = claims_en16931(profile)
    currency = _currency(document, demanding=demanding)
    type_code = _type_code(document, demanding=demanding)
    accounting_currency = document.text("cbc:TaxCurrencyCode")
    supplier = _supplier(document)
    warnings = [] if demanding else name_unidentified(supplier)
    allowances = [_allowance(node, currency) for node in document.each("cac:AllowanceCharge")]
    taxes, tax_total = _taxes(document, currency)
    lines = _lines(document, currency, demanding=demanding)
    return Invoice(
        kind=_kind(root, type_code),
        type_code=type_code,
        number=document.require_text("cbc:ID", "the invoice's number"),
        supplier_id=supplier["id"] or "",
        supplier_name=supplier["name"] or "",
        issue_date=_issue_date(document),
        due_date=_due_date(document),
        tax_point_date=document.date("cbc:TaxPointDate"),
        delivery_date=document.date("cac:Delivery/cbc:ActualDeliveryDate"),
        period_start=document.date("cac:InvoicePeriod/cbc:StartDate"),
        period_end=document.date("cac:InvoicePeriod/cbc:EndDate"),
        currency=currency,
        accounting_currency=accounting_currency,
        accounting_tax_total=_accounting_tax_total(document, currency, accounting_currency),
        supplier=supplier,
        buyer=_optional_party(document, "cac:AccountingCustomerParty/cac:Party"),
        payee=_optional_party(document, "cac:PayeeParty"),
        tax_representative=_optional_party(document, "cac:TaxRepresentativeParty"),
        lines=lines,
        allowances=allowances,
        taxes=taxes,
        totals=_totals(document, currency, lines, allowances, tax_total, demanding=demanding),
        references=_references(document),
        payment_means=[_payment_means(node) for node in document.each("cac:PaymentMeans")],
        payment_terms=document.paragraph("cac:PaymentTerms/cbc:Note"),
        notes=document.texts("cbc:Note"),
        source="ubl",
        profile=profile,
        warnings=warnings,
    )


def names_of(invoice: Invoice) -> dict[str, str]:
    """Return where each field of an invoice stands in its UBL document."""
    kind = "CreditNote" if invoice["kind"] == "credit_note" else "Invoice"
    return NAMES | {"lines.amount": NAMES["lines.amount"].replace("{kind}", kind)}


def _kind(root: etree._Element, type_code: str | None) -> Kind:
    credit = root.tag == CREDIT_NOTE or type_code in CREDIT_NOTE_CODES
    return "credit_note" if credit else "invoice"


def _type_code(document: Node, *, demanding: bool) -> str | None:
    path = f"cbc:{local_name(document.element)}TypeCode"
    if demanding:
        return document.require_text(path, "a type code such as 380")
    return document.text(path)


def _currency(document: Node, *, demanding: bool) -> str:
    currency = document.text("cbc:DocumentCurrencyCode")
    field = "cbc:DocumentCurrencyCode"
    if currency is None and not demanding:
        field = "cac:LegalMonetaryTotal/cbc:PayableAmount/@currencyID"
        payable = document.find("cac:LegalMonetaryTotal/cbc:PayableAmount")
        currency = None if payable is None else payable.attribute("currencyID")
    if currency is None:
        raise MissingFieldError(field, expected="a currency code such as EUR")
    if currency not in CURRENCIES:
        raise unknown_currency(currency, field)
    return currency


def _issue_date(document: Node) -> str:
    document.require_text("cbc:IssueDate", "the day of issue")
    return document.date("cbc:IssueDate") or ""


def _due_date(document: Node) -> str | None:
    # A credit note has no due date of its own in UBL 2.1 and neither had an invoice in UBL 2.0.
    places = (
        "cbc:DueDate",
        "cac:PaymentMeans/cbc:PaymentDueDate",
        "cac:PaymentTerms/cbc:PaymentDueDate",
    )
    return next((day for day in map(document.date, places) if day is not None), None)


def _supplier(document: Node) -> Party:
    party = document.require("cac:AccountingSupplierParty/cac:Party", "the supplier")
    supplier = _party(party)
    if supplier["name"] is None:
        raise MissingFieldError(
            party.name("cac:PartyLegalEntity/cbc:RegistrationName"), expected="the supplier's name"
        )
    return supplier


def _optional_party(document: Node, path: str) -> Party | None:
    node = document.find(path)
    return None if node is None else _party(node)


def _party(node: Node) -> Party:
    trading_name = node.text("cac:PartyName/cbc:Name")
    vat_id, tax_id = _tax_registrations(node)
    party = Party(
        id=None,
        name=(
            node.text("cac:PartyLegalEntity/cbc:RegistrationName")
            or trading_name
            or node.text("cac:Contact/cbc:Name")
        ),
        trading_name=trading_name,
        vat_id=vat_id,
        registration_id=node.identifier("cac:PartyLegalEntity/cbc:CompanyID"),
        ids=[
            scoped(found.value, found.attribute("schemeID")) or ""
            for found in node.each("cac:PartyIdentification/cbc:ID")
            if found.value is not None and found.attribute("schemeID") != CREDITOR_SCHEME
        ],
        endpoint_id=node.identifier("cbc:EndpointID"),
        tax_id=tax_id,
        country=node.text("cac:PostalAddress/cac:Country/cbc:IdentificationCode"),
        address=_address(node),
        contact=node.text("cac:Contact/cbc:Name"),
        email=node.text("cac:Contact/cbc:ElectronicMail"),
    )
    party["id"] = party_id(party)
    return party


def _tax_registrations(node: Node) -> tuple[str | None, str | None]:
    vat_id: str | None = None
    tax_id: str | None = None
    for scheme in node.each("cac:PartyTaxScheme"):
        company_id = scheme.text("cbc:CompanyID")
        if (scheme.text("cac:TaxScheme/cbc:ID") or "VAT").upper() in VAT_SCHEMES:
            vat_id = vat_id or vat_identifier(company_id)
        else:
            tax_id = tax_id or company_id
    return vat_id, tax_id


def _address(node: Node) -> str | None:
    address = node.find("cac:PostalAddress")
    if address is None:
        return None
    town = " ".join(filter(None, (address.text("cbc:PostalZone"), address.text("cbc:CityName"))))
    parts = (
        address.text("cbc:StreetName"),
        address.text("cbc:AdditionalStreetName"),
        *address.texts("cac:AddressLine/cbc:Line"),
        town,
    )
    return ", ".join(part for part in parts if part) or None


def _allowance(node: Node, currency: str) -> Allowance:
    return Allowance(
        charge=node.indicator("cbc:ChargeIndicator"),
        amount=node.require_amount("cbc:Amount", currency, "an amount"),
        base_amount=node.amount("cbc:BaseAmount", currency),
        percent=node.number("cbc:MultiplierFactorNumeric"),
        reason=node.text("cbc:AllowanceChargeReason"),
        reason_code=node.text("cbc:AllowanceChargeReasonCode"),
        tax_category=node.text("cac:TaxCategory/cbc:ID"),
        tax_rate=node.number("cac:TaxCategory/cbc:Percent"),
    )


def _taxes(document: Node, currency: str) -> tuple[list[TaxSubtotal], int | None]:
    totals = [node for node in document.each("cac:TaxTotal") if _in_currency(node, currency)]
    # Where tax is accounted in the document's own currency too, that total repeats the first one
    # without its subtotals.
    totals = [node for node in totals if node.find("cac:TaxSubtotal")] or totals
    subtotals = [
        _tax_subtotal(node, currency) for total in totals for node in total.each("cac:TaxSubtotal")
    ]
    if not totals:
        return subtotals, None
    amounts = [node.require_amount("cbc:TaxAmount", currency, "the tax") for node in totals]
    return subtotals, sum(amounts)


def _in_currency(tax_total: Node, currency: str) -> bool:
    amount = tax_total.find("cbc:TaxAmount")
    return amount is None or amount.attribute("currencyID") in {None, currency}


def _tax_subtotal(node: Node, currency: str) -> TaxSubtotal:
    return TaxSubtotal(
        category=node.text("cac:TaxCategory/cbc:ID"),
        rate=node.number("cac:TaxCategory/cbc:Percent") or node.number("cbc:Percent"),
        taxable=node.amount("cbc:TaxableAmount", currency),
        tax=node.require_amount("cbc:TaxAmount", currency, "the tax of the category"),
        exemption_reason=node.text("cac:TaxCategory/cbc:TaxExemptionReason"),
        exemption_code=node.text("cac:TaxCategory/cbc:TaxExemptionReasonCode"),
    )


def _accounting_tax_total(
    document: Node, currency: str, accounting_currency: str | None
) -> int | None:
    if accounting_currency is None or accounting_currency == currency:
        return None
    for node in document.each("cac:TaxTotal"):
        amount = node.find("cbc:TaxAmount")
        if amount is not None and amount.attribute("currencyID") == accounting_currency:
            return node.amount("cbc:TaxAmount", accounting_currency)
    return None


def _totals(
    document: Node,
    currency: str,
    lines: list[InvoiceLine],
    allowances: list[Allowance],
    tax_total: int | None,
    *,
    demanding: bool,
) -> Totals:
    """Return the totals; what plain UBL may leave out follows from what is there."""
    node = document.require("cac:LegalMonetaryTotal", "the document's totals")

    def amount(name: str, meaning: str) -> int | None:
        if demanding:
            return node.require_amount(name, currency, meaning, exact=True)
        return node.amount(name, currency, exact=True)

    payable = node.require_amount("cbc:PayableAmount", currency, "the amount due", exact=True)
    line_total = amount("cbc:LineExtensionAmount", "the sum of the lines")
    tax_exclusive = amount("cbc:TaxExclusiveAmount", "the total without tax")
    tax_inclusive = amount("cbc:TaxInclusiveAmount", "the total with tax")
    allowance_total = node.amount("cbc:AllowanceTotalAmount", currency, exact=True)
    charge_total = node.amount("cbc:ChargeTotalAmount", currency, exact=True)
    prepaid = node.amount("cbc:PrepaidAmount", currency, exact=True) or 0
    rounding = node.amount("cbc:PayableRoundingAmount", currency, exact=True) or 0
    third_party = _third_party(document, currency)
    if allowance_total is None and not demanding:
        allowance_total = sum(a["amount"] for a in allowances if not a["charge"])
    if charge_total is None and not demanding:
        charge_total = sum(a["amount"] for a in allowances if a["charge"])
    if line_total is None:
        line_total = sum(line["amount"] for line in lines)
    if tax_exclusive is None or _is_oioubl(document):
        tax_exclusive = line_total - (allowance_total or 0) + (charge_total or 0)
    if tax_inclusive is None:
        tax_inclusive = payable + prepaid - rounding - third_party
    if tax_total is None:
        # EN 16931 lets the tax total be absent when there is no tax (BT-110).
        tax_total = 0 if demanding else tax_inclusive - tax_exclusive
    return Totals(
        line_total=line_total,
        allowance_total=allowance_total or 0,
        charge_total=charge_total or 0,
        tax_exclusive=tax_exclusive,
        tax_total=tax_total,
        tax_inclusive=tax_inclusive,
        prepaid=prepaid,
        rounding=rounding,
        third_party=third_party,
        payable=payable,
    )


def _is_oioubl(document: Node) -> bool:
    # The Danish profile of UBL 2.0 keeps the tax itself in the total "exclusive of" tax.
    return (document.text("cbc:CustomizationID") or "").startswith("OIOUBL")


def _third_party(document: Node, currency: str) -> int:
    # XRechnung's extension says with these what the seller collects for somebody else (BG-DEX-09);
    # everywhere else they tell which payments the prepaid amount is made of.
    if THIRD_PARTY_PROFILE not in (document.text("cbc:CustomizationID") or ""):
        return 0
    payments = document.each("cac:PrepaidPayment")
    return sum(payment.amount("cbc:PaidAmount", currency) or 0 for payment in payments)


def _references(document: Node) -> References:
    order = document.text("cac:OrderReference/cbc:ID")
    return References(
        order=None if order is None or order.upper() in {"NA", "N/A"} else order,
        sales_order=document.text("cac:OrderReference/cbc:SalesOrderID"),
        buyer=document.text("cbc:BuyerReference"),
        accounting_cost=document.text("cbc:AccountingCost"),
        contract=document.text("cac:ContractDocumentReference/cbc:ID"),
        project=document.text("cac:ProjectReference/cbc:ID") or _credited_project(document),
        despatch=document.text("cac:DespatchDocumentReference/cbc:ID"),
        receipt=document.text("cac:ReceiptDocumentReference/cbc:ID"),
        preceding=document.texts("cac:BillingReference/cac:InvoiceDocumentReference/cbc:ID"),
    )


def _credited_project(document: Node) -> str | None:
    # UBL 2.1 has no project reference in a credit note; EN 16931 puts it here with code 50.
    for node in document.each("cac:AdditionalDocumentReference"):
        if node.text("cbc:DocumentTypeCode") == "50":
            return node.text("cbc:ID")
    return None


def _payment_means(node: Node) -> PaymentMeans:
    branch = "cac:PayeeFinancialAccount/cac:FinancialInstitutionBranch"
    return PaymentMeans(
        code=node.text("cbc:PaymentMeansCode"),
        payment_id=node.text("cbc:PaymentID"),
        account=node.text("cac:PayeeFinancialAccount/cbc:ID"),
        account_name=node.text("cac:PayeeFinancialAccount/cbc:Name"),
        bic=node.text(f"{branch}/cbc:ID") or node.text(f"{branch}/cac:FinancialInstitution/cbc:ID"),
    )


def _lines(document: Node, currency: str, *, demanding: bool) -> list[InvoiceLine]:
    path = f"cac:{local_name(document.element)}Line"
    lines = [_line(node, currency, demanding=demanding) for node in document.each(path)]
    if not lines:
        raise MissingFieldError(path, expected="one line or more")
    return lines


def _line(node: Node, currency: str, *, demanding: bool) -> InvoiceLine:
    credited = local_name(node.element) == "CreditNoteLine"
    quantity = "cbc:CreditedQuantity" if credited else "cbc:InvoicedQuantity"
    if demanding:
        node.require_text(quantity, "the quantity")
        node.require_text("cac:Price/cbc:PriceAmount", "the net price")
    measured = node.find(quantity)
    gross, off = _price_allowance(node, currency)
    return InvoiceLine(
        id=node.require_text("cbc:ID", "the line's identifier"),
        item=_item_name(node, demanding=demanding),
        description=node.text("cac:Item/cbc:Description"),
        note=node.text("cbc:Note"),
        quantity=node.number(quantity) or "1",
        unit=None if measured is None else measured.attribute("unitCode"),
        price=node.price("cac:Price/cbc:PriceAmount", currency),
        base_quantity=node.base_quantity("cac:Price/cbc:BaseQuantity"),
        gross_price=gross,
        price_allowance=off,
        amount=node.require_amount("cbc:LineExtensionAmount", currency, "the line's net amount"),
        allowances=[_allowance(found, currency) for found in node.each("cac:AllowanceCharge")],
        tax_category=node.text("cac:Item/cac:ClassifiedTaxCategory/cbc:ID"),
        tax_rate=node.number("cac:Item/cac:ClassifiedTaxCategory/cbc:Percent"),
        seller_item_id=node.text("cac:Item/cac:SellersItemIdentification/cbc:ID"),
        buyer_item_id=node.text("cac:Item/cac:BuyersItemIdentification/cbc:ID"),
        standard_item_id=node.identifier("cac:Item/cac:StandardItemIdentification/cbc:ID"),
        classifications=[
            scoped(found.value, found.attribute("listID")) or ""
            for found in node.each(
                "cac:Item/cac:CommodityClassification/cbc:ItemClassificationCode"
            )
            if found.value is not None
        ],
        order_line=node.text("cac:OrderLineReference/cbc:LineID"),
        accounting_cost=node.text("cbc:AccountingCost"),
        period_start=node.date("cac:InvoicePeriod/cbc:StartDate"),
        period_end=node.date("cac:InvoicePeriod/cbc:EndDate"),
    )


def _item_name(node: Node, *, demanding: bool) -> str:
    name = node.text("cac:Item/cbc:Name")
    if name is None and not demanding:
        name = node.text("cac:Item/cbc:Description")
    if name is None:
        raise MissingFieldError(node.name("cac:Item/cbc:Name"), expected="the item's name")
    return name


def _price_allowance(node: Node, currency: str) -> tuple[str | None, str | None]:
    gross = node.price("cac:Price/cac:AllowanceCharge/cbc:BaseAmount", currency)
    return gross, node.price("cac:Price/cac:AllowanceCharge/cbc:Amount", currency)
