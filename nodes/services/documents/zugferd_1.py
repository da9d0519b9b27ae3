"""ZUGFeRD 1: renamed into the terms of Cross Industry Invoice D16B, then read as that.

Paths in messages are therefore those of the later version.
"""

from lxml import etree

from nodes.services.documents.cii import NAMESPACES, read_cii
from nodes.services.documents.xml_tree import local_name
from state.invoice import Invoice

_FERD = "urn:ferd:CrossIndustryDocument:invoice:1p0"
_CEFACT = "urn:un:unece:uncefact:data:standard:"
DOCUMENT = f"{{{_FERD}}}CrossIndustryDocument"

_NAMES = {
    "CrossIndustryDocument": "CrossIndustryInvoice",
    "SpecifiedExchangedDocumentContext": "ExchangedDocumentContext",
    "HeaderExchangedDocument": "ExchangedDocument",
    "SpecifiedSupplyChainTradeTransaction": "SupplyChainTradeTransaction",
    "ApplicableSupplyChainTradeAgreement": "ApplicableHeaderTradeAgreement",
    "ApplicableSupplyChainTradeDelivery": "ApplicableHeaderTradeDelivery",
    "ApplicableSupplyChainTradeSettlement": "ApplicableHeaderTradeSettlement",
    "SpecifiedSupplyChainTradeAgreement": "SpecifiedLineTradeAgreement",
    "SpecifiedSupplyChainTradeDelivery": "SpecifiedLineTradeDelivery",
    "SpecifiedSupplyChainTradeSettlement": "SpecifiedLineTradeSettlement",
    "ApplicablePercent": "RateApplicablePercent",
}
_NAMESPACES = {
    _FERD: NAMESPACES["rsm"],
    f"{_CEFACT}ReusableAggregateBusinessInformationEntity:12": NAMESPACES["ram"],
    f"{_CEFACT}UnqualifiedDataType:15": NAMESPACES["udt"],
}


def read_zugferd_1(root: etree._Element) -> Invoice:
    """Return what a `CrossIndustryDocument` says; its elements are renamed in place.

    Raises:
        MissingFieldError: see `read_cii`.
        InvalidFieldError: see `read_cii`.
    """
    _rename(root)
    return read_cii(root)


def _rename(root: etree._Element) -> None:
    for element in root.iter(etree.Element):
        name = etree.QName(element)
        local = _NAMES.get(name.localname, name.localname)
        parent = element.getparent()
        above = "" if parent is None else local_name(parent)
        if local == "SpecifiedTradeSettlementMonetarySummation":
            level = "Line" if above == "SpecifiedLineTradeSettlement" else "Header"
            local = f"SpecifiedTradeSettlement{level}MonetarySummation"
        elif local == "ID" and above.endswith("ReferencedDocument"):
            local = "IssuerAssignedID"
        namespace = _NAMESPACES.get(name.namespace or "", name.namespace)
        element.tag = f"{{{namespace}}}{local}"
