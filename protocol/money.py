"""Money: a decimal string outside (``"129.00"``), integer minor units of its currency inside (12900).

How many decimals a currency has: ISO 4217, the columns "minor unit"; all that are not named here have two.
"""

from typing import Final

_NONE: Final = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THREE: Final = "BHD IQD JOD KWD LYD OMR TND"
_DECIMALS: Final = dict.fromkeys(_NONE.split(" "), 0) | dict.fromkeys(_THREE.split(" "), 3)


def decimals(currency: str) -> int:
    """How many digits stand behind the point."""
    return _DECIMALS.get(currency, 2)


def minor_units(money: str, currency: str) -> int:
    """``"129.5"`` EUR → 12950. Raises ValueError for more decimals than the currency has."""
    whole, _, part = money.partition(".")
    places = decimals(currency)
    if len(part.rstrip("0")) > places:
        raise ValueError(f"{money} has more decimals than {currency}, which has {places}")
    return int(whole + part[:places].ljust(places, "0"))


def decimal_string(units: int, currency: str) -> str:
    """12950 EUR → ``"129.50"``."""
    places = decimals(currency)
    digits = str(units).rjust(places + 1, "0")
    return f"{digits[:-places]}.{digits[-places:]}" if places else digits
