"""Amounts of money as integers in the minor unit of an ISO 4217 currency.

12.50 EUR is 1250, 1250 JPY is 1250, 1.250 KWD is 1250: the currency decides.
"""

from decimal import ROUND_HALF_UP, Decimal

LARGEST_AMOUNT = 2**53 - 1
"""Largest amount, minor units: the largest integer that every JSON reader keeps exact."""

_EXPONENTS: dict[int, str] = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: (
        "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP "
        "BYN BZD CAD CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD "
        "FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HRK HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW "
        "KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN "
        "NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD "
        "SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS "
        "VED VES WST XAD XCD XCG YER ZAR ZMW ZWG"
    ),
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}

CURRENCIES: dict[str, int] = {
    code: exponent for exponent, codes in _EXPONENTS.items() for code in codes.split()
}
"""Decimals of each currency (ISO 4217 list one of 2026-01-01, and ANG BGN HRK that left it)."""


def minor_units(value: Decimal, currency: str) -> int:
    """Return an amount in minor units, a half rounded away from zero.

    Raises:
        KeyError: the currency is not in `CURRENCIES`.
    """
    return int(value.scaleb(CURRENCIES[currency]).to_integral_value(ROUND_HALF_UP))


def major_units(amount: int, currency: str) -> str:
    """Return an amount of minor units as decimal text: `major_units(1250, "EUR") == "12.50"`."""
    exponent = CURRENCIES[currency]
    return f"{Decimal(amount).scaleb(-exponent):.{exponent}f}"


def money_text(amount: int, currency: str) -> str:
    """Return an amount of minor units for people to read, in groups: `1,234.50 EUR`."""
    return f"{Decimal(major_units(amount, currency)):,f} {currency}"
