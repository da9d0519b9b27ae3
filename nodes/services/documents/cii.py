"""UN/CEFACT Cross Industry Invoice: Factur-X, ZUGFeRD 2, XRechnung, other uses of EN 16931.

ZUGFeRD 1 comes here renamed (`zugferd_1.py`). `(BT-n)` are EN 16931's business terms.
"""

from lxml import etree

from nodes.services.documents.cii_dates import read_day
from nodes.services.documents.xml_tree import Node, unknown_currency
from state.errors import MissingFieldError
from state.invoice import (
    CREDIT_NOTE_CODES,
    Allowance,
    Invoice,
    InvoiceLine,
    Party,
    PaymentMeans,
    References,
    TaxSubtotal,
    Totals,
    name_unidentified,
    party_id,
    scoped,
    vat_identifier,
)
from state.money import CURRENCIES

_CEFACT = "urn:un:unece:uncefact:data:standard:"
NAMESPACES = {
    "rsm": f"{_CEFACT}CrossIndustryInvoice:100",
    "ram": f"{_CEFACT}ReusableAggregateBusinessInformationEntity:100",
    "udt": f"{_CEFACT}UnqualifiedDataType:100",
}
INVOICE = f"{{{NAMESPACES['rsm']}}}CrossIndustryInvoice"
LOOSE_PROFILES = ("minimum", "basicwl", ":ferd:")
"""Profiles without lines or, in ZUGFeRD 1, with lines that may lack quantity and price."""

GROUPING_LINES = frozenset({"GROUP", "INFORMATION"})
"""Kinds of lines in the EXTENDED profile that sum up or explain others and count for nothing."""

_TRADE = "rsm:SupplyChainTradeTransaction"
_AGREEMENT = f"{_TRADE}/ram:ApplicableHeaderTradeAgreement"
_DELIVERY = f"{_TRADE}/ram:ApplicableHeaderTradeDelivery"
_SETTLEMENT = f"{_TRADE}/ram:ApplicableHeaderTradeSettlement"
_SUMMATION = "ram:SpecifiedTradeSettlementHeaderMonetarySummation"
_LINE = f"{_TRADE}/ram:IncludedSupplyChainTradeLineItem"

NAMES = {
    "number": "rsm:ExchangedDocument/ram:ID",
    "currency": f"{_SETTLEMENT}/ram:InvoiceCurrencyCode",
    "supplier_id": f"{_AGREEMENT}/ram:SellerTradeParty/ram:SpecifiedTaxRegistration/ram:ID",
    "totals.line_total": f"{_SETTLEMENT}/{_SUMMATION}/ram:LineTotalAmount",
    "totals.allowance_total": f"{_SETTLEMENT}/{_SUMMATION}/ram:AllowanceTotalAmount",
    "totals.charge_total": f"{_SETTLEMENT}/{_SUMMATION}/ram:ChargeTotalAmount",
    "totals.tax_exclusive": f"{_SETTLEMENT}/{_SUMMATION}/ram:TaxBasisTotalAmount",
    "totals.tax_total": f"{_SETTLEMENT}/{_SUMMATION}/ram:TaxTotalAmount",
    "totals.tax_inclusive": f"{_SETTLEMENT}/{_SUMMATION}/ram:GrandTotalAmount",
    "totals.payable": f"{_SETTLEMENT}/{_SUMMATION}/ram:DuePayableAmount",
    "taxes.tax": f"{_SETTLEMENT}/ram:ApplicableTradeTax[{{position}}]/ram:CalculatedAmount",
    "lines.amount": (
        f"{_LINE}[{{position}}]/ram:SpecifiedLineTradeSettlement"
        "/ram:SpecifiedTradeSettlementLineMonetarySummation/ram:LineTotalAmount"
    ),
}
"""Where a field of `Invoice` stands in the document."""


def read_cii(root: etree._Element) -> Invoice:
    """Return what a cross industry invoice says; totals are not checked yet.

    Raises:
        MissingFieldError: a field that the order needs, or that the claimed profile demands.
        InvalidFieldError: a number, date, currency or indicator that is none.
    """
    document = Node(element=root, path="", namespaces=NAMESPACES)
    context = "rsm:ExchangedDocumentContext/ram:GuidelineSpecifiedDocumentContextParameter"
    profile = document.text(f"{context}/ram:ID")
    demanding = not any(mark in (profile or "").lower() for mark in LOOSE_PROFILES)
    header = document.require("rsm:ExchangedDocument", "the document's header")
    agreement = document.require(_AGREEMENT, "the trade agreement")
    delivery = document.find(_DELIVERY)
    settlement = document.require(_SETTLEMENT, "the trade settlement")
    zugferd_1 = ":ferd:" in (profile or "")
    currency = _currency(settlement, zugferd_1=zugferd_1)
    type_code = header.text("ram:TypeCode")
    supplier = _supplier(agreement)
    warnings = name_unidentified(supplier) if zugferd_1 else []
    allowances = [
        _allowance(node, currency) for node in settlement.each("ram:SpecifiedTradeAllowanceCharge")
    ] + [
        _service_charge(node, currency)
        for node in settlement.each("ram:SpecifiedLogisticsServiceCharge")
    ]
    taxes = [_tax_subtotal(node, currency) for node in settlement.each("ram:ApplicableTradeTax")]
    lines = _lines(document, currency, demanding=demanding)
    accounting_currency = settlement.text("ram:TaxCurrencyCode")
    return Invoice(
        kind="credit_note" if type_code in CREDIT_NOTE_CODES else "invoice",
        type_code=type_code,
        number=header.require_text("ram:ID", "the invoice's number"),
        supplier_id=supplier["id"] or "",
        supplier_name=supplier["name"] or "",
        issue_date=_issue_date(header),
        due_date=_first_date(settlement, "ram:SpecifiedTradePaymentTerms", "ram:DueDateDateTime"),
        tax_point_date=_first_date(settlement, "ram:ApplicableTradeTax", "ram:TaxPointDate"),
        delivery_date=_delivery_date(delivery),
        period_start=read_day(settlement, "ram:BillingSpecifiedPeriod/ram:StartDateTime"),
        period_end=read_day(settlement, "ram:BillingSpecifiedPeriod/ram:EndDateTime", last=True),
        currency=currency,
        accounting_currency=accounting_currency,
        accounting_tax_total=_accounting_tax_total(settlement, currency, accounting_currency),
        supplier=supplier,
        buyer=_optional_party(agreement, "ram:BuyerTradeParty"),
        payee=_optional_party(settlement, "ram:PayeeTradeParty"),
        tax_representative=_optional_party(agreement, "ram:SellerTaxRepresentativeTradeParty"),
        lines=lines,
        allowances=allowances,
        taxes=taxes,
        totals=_totals(settlement, currency, lines, taxes, profile=profile or ""),
        references=_references(agreement, delivery, settlement),
        payment_means=[
            _payment_means(node, settlement.text("ram:PaymentReference"))
            for node in settlement.each("ram:SpecifiedTradeSettlementPaymentMeans")
        ],
        payment_terms=_payment_terms(settlement),
        notes=header.texts("ram:IncludedNote/ram:Content"),
        source="cii",
        profile=profile,
        warnings=warnings,
    )


def _currency(settlement: Node, *, zugferd_1: bool) -> str:
    path = "ram:InvoiceCurrencyCode"
    currency = settlement.text(path)
    total = settlement.find(f"{_SUMMATION}/ram:GrandTotalAmount")
    if currency is None and zugferd_1 and total is not None:
        currency = total.attribute("currencyID")
    if currency is None:
        raise MissingFieldError(settlement.name(path), expected="a currency code such as EUR")
    if currency not in CURRENCIES:
        raise unknown_currency(currency, settlement.name(path))
    return currency


def _first_date(node: Node, path: str, below: str) -> str | None:
    days = (read_day(found, below) for found in node.each(path))
    return next((day for day in days if day is not None), None)


def _issue_date(header: Node) -> str:
    day = read_day(header, "ram:IssueDateTime")
    if day is None:
        raise MissingFieldError(header.name("ram:IssueDateTime"), expected="the day of issue")
    return day


def _delivery_date(delivery: Node | None) -> str | None:
    if delivery is None:
        return None
    return read_day(delivery, "ram:ActualDeliverySupplyChainEvent/ram:OccurrenceDateTime")


def _supplier(agreement: Node) -> Party:
    node = agreement.require("ram:SellerTradeParty", "the supplier")
    supplier = _party(node)
    if supplier["name"] is None:
        raise MissingFieldError(node.name("ram:Name"), expected="the supplier's name")
    return supplier


def _optional_party(node: Node, path: str) -> Party | None:
    found = node.find(path)
    return None if found is None else _party(found)


def _party(node: Node) -> Party:
    organization = "ram:SpecifiedLegalOrganization"
    trading_name = node.text(f"{organization}/ram:TradingBusinessName")
    registrations = {
        found.attribute("schemeID"): found.value
        for found in node.each("ram:SpecifiedTaxRegistration/ram:ID")
    }
    party = Party(
        id=None,
        name=node.text("ram:Name") or trading_name,
        trading_name=trading_name,
        vat_id=vat_identifier(registrations.get("VA")),
        registration_id=node.identifier(f"{organization}/ram:ID"),
        ids=[
            scoped(found.value, found.attribute("schemeID")) or ""
            for path in ("ram:GlobalID", "ram:ID")
            for found in node.each(path)
            if found.value is not None
        ],
        endpoint_id=node.identifier("ram:URIUniversalCommunication/ram:URIID"),
        tax_id=registrations.get("FC"),
        country=node.text("ram:PostalTradeAddress/ram:CountryID"),
        address=_address(node),
        contact=(
            node.text("ram:DefinedTradeContact/ram:PersonName")
            or node.text("ram:DefinedTradeContact/ram:DepartmentName")
        ),
        email=node.text("ram:DefinedTradeContact/ram:EmailURIUniversalCommunication/ram:URIID"),
    )
    party["id"] = party_id(party)
    return party


def _address(node: Node) -> str | None:
    address = node.find("ram:PostalTradeAddress")
    if address is None:
        return None
    town = " ".join(filter(None, (address.text("ram:PostcodeCode"), address.text("ram:CityName"))))
    lines = (address.text(f"ram:Line{name}") for name in ("One", "Two", "Three"))
    return ", ".join(part for part in (*lines, town) if part) or None


def _allowance(node: Node, currency: str) -> Allowance:
    return Allowance(
        charge=node.indicator("ram:ChargeIndicator"),
        amount=node.require_amount("ram:ActualAmount", currency, "an amount"),
        base_amount=node.amount("ram:BasisAmount", currency),
        percent=node.number("ram:CalculationPercent"),
        reason=node.text("ram:Reason"),
        reason_code=node.text("ram:ReasonCode"),
        tax_category=node.text("ram:CategoryTradeTax/ram:CategoryCode"),
        tax_rate=node.number("ram:CategoryTradeTax/ram:RateApplicablePercent"),
    )


def _service_charge(node: Node, currency: str) -> Allowance:
    """Return a logistics charge of the EXTENDED profile as the document charge that it is."""
    return Allowance(
        charge=True,
        amount=node.require_amount("ram:AppliedAmount", currency, "an amount"),
        base_amount=None,
        percent=None,
        reason=node.text("ram:Description"),
        reason_code=None,
        tax_category=node.text("ram:AppliedTradeTax/ram:CategoryCode"),
        tax_rate=node.number("ram:AppliedTradeTax/ram:RateApplicablePercent"),
    )


def _tax_subtotal(node: Node, currency: str) -> TaxSubtotal:
    return TaxSubtotal(
        category=node.text("ram:CategoryCode"),
        rate=node.number("ram:RateApplicablePercent"),
        taxable=node.amount("ram:BasisAmount", currency),
        tax=node.require_amount("ram:CalculatedAmount", currency, "the tax of the category"),
        exemption_reason=node.text("ram:ExemptionReason"),
        exemption_code=node.text("ram:ExemptionReasonCode"),
    )


def _summed(settlement: Node, name: str, currency: str, *, stated: bool = False) -> int | None:
    """Return one total of the document in a currency; EXTENDED repeats some in a second one."""
    for node in settlement.each(f"{_SUMMATION}/ram:{name}"):
        code = node.attribute("currencyID")
        if code == currency or (code is None and not stated):
            return node.amount(".", currency, exact=True)
    return None


def _required_sum(settlement: Node, name: str, currency: str, expected: str) -> int:
    amount = _summed(settlement, name, currency)
    if amount is None:
        # Nothing in the document's currency: a total in another one is the better thing to report.
        path = f"{_SUMMATION}/ram:{name}"
        return settlement.require_amount(path, currency, expected, exact=True)
    return amount


def _accounting_tax_total(
    settlement: Node, currency: str, accounting_currency: str | None
) -> int | None:
    if accounting_currency is None or accounting_currency == currency:
        return None
    return _summed(settlement, "TaxTotalAmount", accounting_currency, stated=True)


def _totals(
    settlement: Node,
    currency: str,
    lines: list[InvoiceLine],
    taxes: list[TaxSubtotal],
    *,
    profile: str,
) -> Totals:
    """Return the totals; what a profile leaves out follows from what is there."""
    zugferd_1 = ":ferd:" in profile
    tax_inclusive = _required_sum(settlement, "GrandTotalAmount", currency, "the total with tax")
    tax_total = _summed(settlement, "TaxTotalAmount", currency)
    allowance_total = _summed(settlement, "AllowanceTotalAmount", currency) or 0
    charge_total = _summed(settlement, "ChargeTotalAmount", currency) or 0
    line_total = _summed(settlement, "LineTotalAmount", currency)
    tax_exclusive = _summed(settlement, "TaxBasisTotalAmount", currency)
    if tax_exclusive is None and zugferd_1 and line_total is not None:
        tax_exclusive = line_total - allowance_total + charge_total
    elif tax_exclusive is None:
        tax_exclusive = _required_sum(
            settlement, "TaxBasisTotalAmount", currency, "the total without tax"
        )
    prepaid = _summed(settlement, "TotalPrepaidAmount", currency) or 0
    rounding = _summed(settlement, "RoundingAmount", currency) or 0
    if zugferd_1 and _summed(settlement, "DuePayableAmount", currency) is None:
        payable = tax_inclusive - prepaid + rounding
    else:
        payable = _required_sum(settlement, "DuePayableAmount", currency, "the amount due")
    if "minimum" in profile.lower():
        # This profile has no element for what was paid before; it shows in the amount due alone.
        prepaid = tax_inclusive - payable
    if tax_total is None:
        tax_total = sum(tax["tax"] for tax in taxes) if taxes else tax_inclusive - tax_exclusive
    if line_total is None:
        line_total = tax_exclusive + allowance_total - charge_total
        line_total = sum(line["amount"] for line in lines) if lines else line_total
    return Totals(
        line_total=line_total,
        allowance_total=allowance_total,
        charge_total=charge_total,
        tax_exclusive=tax_exclusive,
        tax_total=tax_total,
        tax_inclusive=tax_inclusive,
        prepaid=prepaid,
        rounding=rounding,
        third_party=0,
        payable=payable,
    )


def _references(agreement: Node, delivery: Node | None, settlement: Node) -> References:
    def delivered(path: str) -> str | None:
        return None if delivery is None else delivery.text(path)

    order = agreement.text("ram:BuyerOrderReferencedDocument/ram:IssuerAssignedID")
    return References(
        order=None if order is None or order.upper() in {"NA", "N/A"} else order,
        sales_order=agreement.text("ram:SellerOrderReferencedDocument/ram:IssuerAssignedID"),
        buyer=agreement.text("ram:BuyerReference"),
        accounting_cost=settlement.text("ram:ReceivableSpecifiedTradeAccountingAccount/ram:ID"),
        contract=agreement.text("ram:ContractReferencedDocument/ram:IssuerAssignedID"),
        project=agreement.text("ram:SpecifiedProcuringProject/ram:ID"),
        despatch=delivered("ram:DespatchAdviceReferencedDocument/ram:IssuerAssignedID"),
        receipt=delivered("ram:ReceivingAdviceReferencedDocument/ram:IssuerAssignedID"),
        preceding=settlement.texts("ram:InvoiceReferencedDocument/ram:IssuerAssignedID"),
    )


def _payment_means(node: Node, payment_id: str | None) -> PaymentMeans:
    account = "ram:PayeePartyCreditorFinancialAccount"
    return PaymentMeans(
        code=node.text("ram:TypeCode"),
        payment_id=payment_id,
        account=node.text(f"{account}/ram:IBANID") or node.text(f"{account}/ram:ProprietaryID"),
        account_name=node.text(f"{account}/ram:AccountName"),
        bic=node.text("ram:PayeeSpecifiedCreditorFinancialInstitution/ram:BICID"),
    )


def _payment_terms(settlement: Node) -> str | None:
    terms = settlement.each("ram:SpecifiedTradePaymentTerms")
    return "\n".join(filter(None, (node.paragraph("ram:Description") for node in terms))) or None


def _lines(document: Node, currency: str, *, demanding: bool) -> list[InvoiceLine]:
    lines = [
        _line(node, position, currency, demanding=demanding)
        for position, node in enumerate(document.each(_LINE), start=1)
        if _counts(node, demanding=demanding)
    ]
    if not lines and demanding:
        raise MissingFieldError(_LINE, expected="one line or more")
    return lines


def _counts(node: Node, *, demanding: bool) -> bool:
    if node.text("ram:AssociatedDocumentLineDocument/ram:LineStatusReasonCode") in GROUPING_LINES:
        return False
    # A line may be a remark: no quantity, no price, no amount.
    figures = (_LINE_TOTAL, _LINE_QUANTITY, f"{_LINE_NET_PRICE}/ram:ChargeAmount")
    return any(node.text(path) is not None for path in figures[: 3 if demanding else 1])


_LINE_SETTLEMENT = "ram:SpecifiedLineTradeSettlement"
_LINE_QUANTITY = "ram:SpecifiedLineTradeDelivery/ram:BilledQuantity"
_LINE_NET_PRICE = "ram:SpecifiedLineTradeAgreement/ram:NetPriceProductTradePrice"
_LINE_TOTAL = (
    f"{_LINE_SETTLEMENT}/ram:SpecifiedTradeSettlementLineMonetarySummation/ram:LineTotalAmount"
)


def _line(node: Node, position: int, currency: str, *, demanding: bool) -> InvoiceLine:
    agreement = "ram:SpecifiedLineTradeAgreement"
    net = _LINE_NET_PRICE
    gross = f"{agreement}/ram:GrossPriceProductTradePrice"
    quantity = _LINE_QUANTITY
    product = "ram:SpecifiedTradeProduct"
    tax = f"{_LINE_SETTLEMENT}/ram:ApplicableTradeTax"
    period = f"{_LINE_SETTLEMENT}/ram:BillingSpecifiedPeriod"
    if demanding:
        node.require_text(quantity, "the quantity")
        node.require_text(f"{net}/ram:ChargeAmount", "the net price")
        node.require_text(f"{product}/ram:Name", "the item's name")
    measured = node.find(quantity)
    note = node.text("ram:AssociatedDocumentLineDocument/ram:IncludedNote/ram:Content")
    return InvoiceLine(
        id=node.text("ram:AssociatedDocumentLineDocument/ram:LineID") or str(position),
        item=node.text(f"{product}/ram:Name") or note or f"line {position}",
        description=node.text(f"{product}/ram:Description"),
        note=note,
        quantity=node.number(quantity) or "1",
        unit=None if measured is None else measured.attribute("unitCode"),
        price=node.price(f"{net}/ram:ChargeAmount", currency),
        base_quantity=node.base_quantity(f"{net}/ram:BasisQuantity"),
        gross_price=node.price(f"{gross}/ram:ChargeAmount", currency),
        price_allowance=node.price(
            f"{gross}/ram:AppliedTradeAllowanceCharge/ram:ActualAmount", currency
        ),
        amount=node.require_amount(_LINE_TOTAL, currency, "the line's net amount"),
        allowances=[
            _allowance(found, currency)
            for found in node.each(f"{_LINE_SETTLEMENT}/ram:SpecifiedTradeAllowanceCharge")
        ],
        tax_category=node.text(f"{tax}/ram:CategoryCode"),
        tax_rate=node.number(f"{tax}/ram:RateApplicablePercent"),
        seller_item_id=node.text(f"{product}/ram:SellerAssignedID"),
        buyer_item_id=node.text(f"{product}/ram:BuyerAssignedID"),
        standard_item_id=node.identifier(f"{product}/ram:GlobalID"),
        classifications=[
            scoped(found.value, found.attribute("listID")) or ""
            for found in node.each(f"{product}/ram:DesignatedProductClassification/ram:ClassCode")
            if found.value is not None
        ],
        order_line=node.text(f"{agreement}/ram:BuyerOrderReferencedDocument/ram:LineID"),
        accounting_cost=node.text(
            f"{_LINE_SETTLEMENT}/ram:ReceivableSpecifiedTradeAccountingAccount/ram:ID"
        ),
        period_start=read_day(node, f"{period}/ram:StartDateTime"),
        period_end=read_day(node, f"{period}/ram:EndDateTime", last=True),
    )
