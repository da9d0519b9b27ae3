from decimal import Decimal

import pytest

from state.money import CURRENCIES, major_units, minor_units, money_text


@pytest.mark.parametrize(
    ("value", "currency", "amount"),
    [
        ("12.50", "EUR", 1250),
        ("1250", "JPY", 1250),
        ("1.250", "KWD", 1250),
        ("0.0001", "CLF", 1),
        ("-0.005", "EUR", -1),
        ("0.005", "EUR", 1),
    ],
)
def test_an_amount_is_counted_in_the_minor_unit_of_its_currency(value, currency, amount):
    assert minor_units(Decimal(value), currency) == amount


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (1250, "EUR", "12.50 EUR"),
        (1250, "JPY", "1,250 JPY"),
        (-1250, "KWD", "-1.250 KWD"),
        (0, "EUR", "0.00 EUR"),
    ],
)
def test_an_amount_is_written_with_the_decimals_of_its_currency(amount, currency, text):
    assert money_text(amount, currency) == text


@pytest.mark.parametrize("currency", sorted(CURRENCIES))
def test_writing_and_reading_an_amount_changes_nothing(currency):
    assert minor_units(Decimal(major_units(123_456_789, currency)), currency) == 123_456_789


def test_test_codes_and_metals_are_no_currencies():
    assert not {"XXX", "XTS", "XAU", "XDR"} & set(CURRENCIES)
