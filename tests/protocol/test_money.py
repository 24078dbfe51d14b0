"""Money: minor units and back, and no decimals that a currency does not have."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.money import decimal_string, minor_units


@pytest.mark.parametrize(
    ("money", "currency", "units", "shown"),
    [
        ("129.00", "EUR", 12_900, "129.00"),
        ("129.5", "EUR", 12_950, "129.50"),
        ("129", "EUR", 12_900, "129.00"),
        ("0.05", "USD", 5, "0.05"),
        ("1.500", "EUR", 150, "1.50"),
        ("1500", "JPY", 1_500, "1500"),
        ("1500.00", "JPY", 1_500, "1500"),
        ("1.5", "KWD", 1_500, "1.500"),
    ],
)
def test_money_is_minor_units_inside_and_a_decimal_string_outside(
    money: str, currency: str, units: int, shown: str
) -> None:
    assert minor_units(money, currency) == units
    assert decimal_string(units, currency) == shown


@pytest.mark.parametrize(("money", "currency"), [("1.005", "EUR"), ("1.5", "JPY")])
def test_more_decimals_than_the_currency_has_are_refused(money: str, currency: str) -> None:
    with pytest.raises(ValueError, match=f"{money} has more decimals than {currency}"):
        minor_units(money, currency)


@given(st.integers(0, 10**14), st.sampled_from(["EUR", "JPY", "TND"]))
def test_nothing_is_lost_on_the_way_out_and_in(units: int, currency: str) -> None:
    assert minor_units(decimal_string(units, currency), currency) == units
