"""Amounts in minor units, as people read and type them; used by the templates and the catalog's form."""

from decimal import Decimal
from typing import Any

# Stripe's zero-decimal currencies, less UGX, of which it counts hundredths all the same, as of ISK
# (docs.stripe.com/currencies#special-cases).
_WHOLE = frozenset(
    (
        "BIF",
        "CLP",
        "DJF",
        "GNF",
        "JPY",
        "KMF",
        "KRW",
        "MGA",
        "PYG",
        "RWF",
        "VND",
        "VUV",
        "XAF",
        "XOF",
        "XPF",
    )
)
# Its three-decimal ones.
_THOUSANDTHS = frozenset(("BHD", "JOD", "KWD", "OMR", "TND"))
_SIGNS = {"EUR": "€", "USD": "$", "GBP": "£"}


def decimals(currency: str) -> int:
    """How many digits of an amount stand after the point, as Stripe counts minor units."""
    if currency in _WHOLE:
        return 0
    return 3 if currency in _THOUSANDTHS else 2


def money(value: dict[str, Any] | None) -> str:
    """€25.00; a currency without a sign here is named after the amount."""
    if value is None:
        return ""
    currency = str(value["currency"])
    places = decimals(currency)
    amount = Decimal(int(value["amount"])).scaleb(-places)
    text = f"{abs(amount):,.{places}f}"
    minus = "−" if amount < 0 else ""
    return f"{minus}{_SIGNS[currency]}{text}" if currency in _SIGNS else f"{minus}{text} {currency}"
