"""Labels and forms of invoices in English, German, French, Dutch and the Nordic languages."""

import re


def _label(*alternatives: str) -> re.Pattern[str]:
    joined = "|".join(alternatives)
    return re.compile(rf"(?<![^\W\d_])(?:{joined})(?![^\W\d_])[\s:#.°º]*", re.IGNORECASE)


_NO = r"(?:number|num|no|nr|nummer|numéro|numero|id|ref|n°|#)\.?"

NUMBER_LABELS = (
    _label(rf"(?:tax\s+)?invoice\s*{_NO}", rf"credit\s+(?:note|memo)\s*{_NO}", "invoice #"),
    _label(
        r"rechnungs-?\s?(?:nummer|nr)\.?",
        r"rechnung\s+(?:nr|nummer)\.?",
        r"gutschrift(?:s?-?\s?(?:nummer|nr)|\s+nr)\.?",
        r"beleg-?(?:nummer|nr)\.?",
    ),
    _label(
        r"faktura\s?-?(?:nummer|nr|no)\.?",
        r"(?:kreditnota|kreditfaktura|creditnota)\s?-?(?:nummer|nr)?\.?",
        r"(?:factuur|creditfactuur)\s?-?(?:nummer|nr)\.?",
        rf"facture\s*{_NO}",
        rf"avoir\s*{_NO}",
        r"(?:n°|numéro)\s*(?:de\s+)?(?:la\s+)?facture",
    ),
    _label("invoice", "credit note", "credit memo", "rechnung", "gutschrift"),
    _label("faktura", "facture", "factuur", "creditfactuur"),
)
ISSUE_LABELS = (
    _label(
        r"(?:invoice|tax|issue|billing|credit\s+note)\s+date",
        r"date\s+(?:of\s+)?(?:issued?|invoice)",
        r"issued(?:\s+on)?",
        r"rechnungsdatum",
        r"ausstellungsdatum",
        r"belegdatum",
        r"faktura-?dat(?:o|um)",
        r"factuur-?\s?datum",
        r"date\s+(?:de\s+(?:la\s+)?facture|de\s+facturation|d'émission)",
    ),
    _label("dated", "date", "datum", "dato", "le", "du", "vom", "von"),
)
DUE_LABELS = (
    _label(
        r"(?:payment\s+)?due(?:\s+(?:date|on|by))?",
        r"date\s+due",
        r"pay(?:able|ment)?\s+(?:by|before|until)",
        r"fällig(?:keit(?:sdatum)?|\s+(?:am|bis|zum))?",
        r"zahlbar\s+bis(?:\s+zum)?",
        r"forfalls?(?:dato)?",
        r"förfallo(?:dag|datum)",
        r"verval(?:datum|dag)",
        r"(?:uiterste\s+)?betaaldatum",
        r"te\s+betalen\s+(?:voor|vóór|uiterlijk)",
        r"betales\s+senest",
        r"betalingsfrist",
        r"(?:date\s+d')?échéance(?:\s+le)?",
        r"à\s+payer\s+avant(?:\s+le)?",
    ),
)
DELIVERY_LABELS = (
    _label(
        r"deliver(?:y|ed)(?:\s+(?:date|on))?",
        r"(?:liefer|leistungs|lever|leverans)datum",
        "leveringsdat(?:o|um)",
        r"date\s+de\s+livraison",
    ),
)
ORDER_LABELS = (
    _label(
        rf"(?:purchase\s+order|your\s+order|order|p\.?\s?o\.?)\s*{_NO}",
        r"purchase\s+order",
        r"your\s+order",
        r"(?:ihre\s+)?bestell(?:ung|-?nummer|-?nr)\.?(?:\s+nr\.?)?",
        r"(?:deres\s+)?(?:bestilling|ordre|innkjøpsordre)s?-?(?:nummer|nr)\.?",
        r"(?:er\s+)?(?:beställnings?|order|inköpsorder)s?-?\s?(?:nummer|nr)\.?",
        r"(?:uw\s+)?(?:bestel|inkooporder|bestelling)-?\s?(?:nummer|nr)\.?",
        r"(?:bon\s+de\s+)?commande(?:\s*(?:n°|numéro))?",
    ),
)
BUYER_REFERENCE_LABELS = (
    _label(
        r"(?:your|buyer|customer)\s+ref(?:erence)?\.?",
        r"ihre?\s+(?:referenz|zeichen)",
        r"leitweg-?id",
        r"deres\s+ref(?:er[ae]nse)?\.?",
        r"er\s+referens",
        r"uw\s+(?:referentie|kenmerk)",
        r"votre\s+référence",
    ),
)
COST_LABELS = (
    _label(
        r"cost\s+cent(?:re|er)",
        r"accounting\s+(?:cost|code)",
        r"kostenstelle",
        r"kostnadss(?:ted|tälle)",
        r"kostenplaats",
        r"centre\s+de\s+coûts?",
    ),
)
CONTRACT_LABELS = (
    _label(
        rf"contract\s*(?:{_NO})?",
        r"vertrags?(?:-?nummer|-?nr)?\.?",
        r"kontrakt(?:s?nummer|snr)?\.?",
        r"contrat(?:\s*(?:n°))?",
        r"(?:avtals|contract)-?(?:nummer|nr)\.?",
    ),
)
PRECEDING_LABELS = (
    _label(
        r"(?:original|credits|corrects|for|preceding|regarding|ref(?:erence)?)\s+"
        rf"invoice\s*(?:{_NO})?",
        r"zu(?:r)?\s+rechnung(?:\s+(?:nr|nummer)\.?)?",
        r"(?:gjelder|avser|vedrører)\s+faktura(?:\s?nr\.?)?",
        r"betreft\s+factuur(?:\s?(?:nummer|nr)\.?)?",
        r"(?:sur|relatif\s+à)\s+(?:la\s+)?facture(?:\s*(?:n°))?",
    ),
)
SUPPLIER_LABELS = (
    _label("supplier", "seller", "vendor", "from", "lieferant", "verkäufer", "rechnungssteller"),
    _label("leverandør", "selger", "fra", "fournisseur", "vendeur", "émetteur", "von"),
    _label("leverancier", "verkoper", "leverantör", "säljare", "från", "sælger"),
)
SUPPLIER_NUMBER_LABELS = (
    _label(
        rf"(?:supplier|vendor|creditor)\s*{_NO}",
        r"(?:supplier|vendor)\s+code",
        r"(?:lieferanten|kreditoren)-?\s?(?:nummer|nr)\.?",
        r"(?:leverandør|leverantörs?|leveranciers?|crediteur)-?\s?(?:nummer|nr)\.?",
        r"(?:n°|code|numéro)\s*fournisseur",
    ),
)
BUYER_LABELS = (
    _label(
        r"bill(?:ed)?\s+to",
        r"invoiced?\s+to",
        r"sold\s+to",
        "customer",
        "buyer",
        r"rechnungsempfänger",
        r"rechnung\s+an",
        "kunde",
        "käufer",
        r"faktura\s+til",
        "kjøper",
        r"facturé\s+à",
        "client",
        "acheteur",
        "destinataire",
        r"facturé\s+à",
        r"factuuradres",
        r"factureren\s+aan",
        "klant",
        "koper",
        "afnemer",
        r"faktureras",
        r"fakturaadress",
        "köpare",
        "køber",
    ),
)

REFERENCE = re.compile(r"(?=[\w./-]*\d)[^\W_][\w./-]*[^\W_]|\d")
"""A number of a document or an order: letters, digits and joints, with a digit in it."""

_VAT_FORMATS = (
    "ATU99999999 BE9999999999 BG9999999999 BG999999999 CHE999999999 CY99999999A CZ9999999999 "
    "CZ999999999 CZ99999999 DE999999999 DK99999999 EE999999999 EL999999999 ESX9999999X FI99999999 "
    "FRXX999999999 GB999999999999 GB999999999 GR999999999 HR99999999999 HU99999999 IE9999999AA "
    "IE9999999A IE9X99999A IT99999999999 LT999999999999 LT999999999 LU99999999 LV99999999999 "
    "MT99999999 NL999999999B99 NO999999999MVA NO999999999 PL9999999999 PT999999999 RO9999999999 "
    "SE999999999999 SI99999999 SK9999999999 XI999999999 999999999MVA"
)
"""VAT identifiers of European countries: `9` is a digit; `X` a digit or letter, and `A` a letter,
behind the country's code."""


def _vat_pattern(form: str) -> str:
    kinds = {"9": "[0-9]", "X": "[A-Z0-9]", "A": "[A-Z]"}
    country = len(form) - len(form.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
    prefix = min(country, 3 if form.startswith(("ATU", "CHE")) else 2)
    literal = {form.index("B", prefix)} if form.startswith("NL") else set()
    literal |= set(range(len(form) - 3, len(form))) if form.endswith("MVA") else set()
    letters = [
        letter if place < prefix or place in literal else kinds[letter]
        for place, letter in enumerate(form)
    ]
    return "[ .-]?".join(letters)


VAT = re.compile(
    rf"(?<![A-Z0-9])(?:{'|'.join(map(_vat_pattern, _VAT_FORMATS.split()))})(?![A-Z0-9])"
)
LABELLED_VAT = re.compile(
    r"(?:VAT|USt|UID|MwSt|TVA|MVA|BTW|GST)[-. ]*"
    r"(?:(?:(?:registration|reg|identification|ident|id|intracommunautaire|number|nummer|no|nr|n°|#)"
    r"[-. ]*)+[:\s]*|:\s*(?=[A-Z]{2}))(?!(?:EUR|USD|GBP|NOK|SEK|DKK|CHF)\b)"
    r"((?:[A-Z]{2,3}[ -]?)?[A-Z0-9]*[0-9][A-Z0-9.-]{4,14})",
    re.IGNORECASE,
)
"""A VAT identifier by its label, for countries whose form is not known here."""

IBAN = re.compile(
    r"(?<![A-Z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2}"
    r"(?: ?[A-Z0-9]{3}|(?: ?[A-Z0-9]{4}){1,5}(?: ?[A-Z0-9]{1,3})?)(?![A-Z0-9])"
)
GLN = re.compile(r"\bGLN\D{0,12}(\d{13})\b")
REGISTRATION = re.compile(
    r"(?:compan(?:y|ies)(?:\s+house)?|registration|reg\.?|organisations?-?|org\.?|hrb|siret|siren"
    r"|cvr|kvk)\s*-?(?:number|nummer|nr|no|n°)?[\s.:#]*(\d[\d ]{5,17}\d)",
    re.IGNORECASE,
)
TAX_NUMBER = re.compile(
    r"(?:steuer-?(?:nummer|nr)\.?|tax\s+(?:number|no|id))[\s.:#]*(\d[\d/ ]{6,16}\d)", re.IGNORECASE
)
BIC = re.compile(r"\b(?:BIC|SWIFT)(?:-?code)?[\s:/]*([A-Z]{6}[A-Z0-9]{2}(?:[A-Z0-9]{3})?)\b")
WORDS = re.compile(r"[^\W\d_].*")
NAME = re.compile(r"[^\W\d_][^:]*$")
EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")

CREDIT_TITLE = re.compile(
    r"(?:credit\s+(?:note|memo)|(?:rechnungskorrektur|stornorechnung|gutschrift)|[kc]reditnota"
    r"|kreditfaktura|creditfactuur|(?:facture\s+d')?avoir|note\s+de\s+crédit)\b",
    re.IGNORECASE,
)
TITLE = re.compile(
    r"(?:tax\s+|vat\s+|commercial\s+)?(?:invoice|rechnung|faktura|facture|factuur)\b", re.IGNORECASE
)
TITLE_FROM = re.compile(
    rf"\s*(?:{TITLE.pattern}).{{0,60}}?\s(?:from|von|fra|från|van|de)\s+([^\W\d_][^:]*?)\s*$",
    re.IGNORECASE,
)
"""A title that names the supplier: `Invoice INV-77 from Acme Ltd`."""

_WITHOUT = (
    r"(?:excl?(?:uding|usief|\.)?|ex\.?|before|without|exkl(?:usive)?\.?|ohne|eks(?:kl(?:usiv)?)?\.?"
    r"|uten|utan|uden|zonder|hors)"
)
_WITH = r"(?:incl?(?:uding|usief|\.)?|inkl(?:usiv)?\.?|inklusive|med|with)"
_SUM_WORD = r"total|amount|sum|summ[ae]|totalt?|totaal|bedrag|bel[øo]pp?|gesamt(?:betrag)?"
_TAX_WORD = (
    r"(?:vat|sales\s+tax|tax(?:es)?|gst|mwst\.?|m\.?w\.?st\.?|ust\.?|umsatzsteuer|mehrwertsteuer"
    r"|mva\.?|merverdiavgift|moms|mervärdesskatt|t\.?v\.?a\.?|b\.?t\.?w\.?|omzetbelasting)"
)
TOTAL_KINDS: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "payable",
        _label(
            r"(?:amount|balance|total|sum)\s+(?:due|payable|to\s+pay)",
            r"(?:please\s+pay|to\s+pay|payable)",
            r"zu\s+zahlen(?:der\s+betrag)?",
            r"zahlbetrag",
            r"(?:å|at|att)\s+betal[ea]",
            r"te\s+betalen(?:\s+bedrag)?",
            r"(?:openstaand|verschuldigd)\s+bedrag",
            r"(?:net|reste|total|montant)\s+à\s+payer",
        ),
    ),
    (
        "prepaid",
        _label(
            r"(?:already\s+)?paid",
            r"(?:deposit|prepayment|prepaid)",
            r"(?:geleistete\s+)?anzahlung",
            r"bereits\s+(?:be|ge)zahlt",
            r"forskudd|förskott|forudbetalt|betalat",
            r"(?:reeds\s+)?(?:vooruit)?betaald|aanbetaling|voorschot",
            r"acompte",
        ),
    ),
    (
        "net",
        _label(
            r"sub-?\s?total",
            r"net(?:\s+(?:total|amount|sum))?",
            rf"(?:{_SUM_WORD})\s+{_WITHOUT}\s*{_TAX_WORD}?",
            rf"{_WITHOUT}\s+{_TAX_WORD}",
            r"total\s+net",
            r"zwischensumme",
            r"(?:summe\s+|gesamt\s+)?netto(?:betrag|summe|beløp|total)?",
            r"delsumma?|subtota(?:al|l)|nettobelopp",
            r"(?:total|montant)\s+(?:h\.?t\.?|net\s+h\.?t\.?)",
            r"sous-?total(?:\s+h\.?t\.?)?",
        ),
    ),
    (
        "inclusive",
        _label(
            rf"(?:{_SUM_WORD}|gesamtsumme)\s*"
            rf"\(?{_WITH}[^\d\n]*(?:{_TAX_WORD})?",
            r"gross(?:\s+(?:total|amount))?",
            r"(?:grand|invoice)\s+total",
            r"total\s+amount",
            r"gesamt(?:betrag|summe)(?:\s+brutto)?",
            r"(?:summe\s+|gesamt\s+)?brutto(?:betrag|summe|beløp)?",
            r"(?:rechnungs|end)(?:betrag|summe)",
            r"(?:total|montant)\s+t\.?t\.?c\.?",
            r"fakturabeløp",
            r"totalbeløp|totalbelopp|bruttobelopp|fakturabelopp",
            r"(?:totaal|factuur)bedrag|factuur\s?totaal",
        ),
    ),
    ("discount", _label("discount", "rabatt?", "remise", "nachlass", "korting")),
    (
        "charge",
        _label(
            r"(?:shipping|delivery|postage|freight|carriage)(?:\s+(?:cost|charge|fee)s?)?",
            r"(?:versand|liefer|transport)(?:kosten|gebühr)",
            "fracht",
            "frakt(?:kostnad)?|fragt",
            r"(?:verzend|vracht)kosten",
            r"frais\s+de\s+(?:port|livraison)",
        ),
    ),
    ("tax", _label(rf"(?:total\s+)?{_TAX_WORD}")),
    ("total", _label("total", "totalt", "summ?[ae]?", "i alt", "gesamt", "totaal")),
)
NOT_A_TAX = re.compile(
    rf"{_TAX_WORD}[\s./-]*(?:reg(?:istration)?|id|ident\w*|{_NO}(?!\w)|invoice|date|point|exempt)",
    re.IGNORECASE,
)


LEAD = re.compile(
    r"^(?:plus|less|minus|moins|abzgl\.?|abzüglich|zzgl\.?|zuzüglich|herav|hvorav|dont|of\s+which"
    r"|incl\.?)\s+",
    re.IGNORECASE,
)
