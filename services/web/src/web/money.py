"""Amounts in minor units, as people read and type them; for the templates, the catalog's form and the history."""

from decimal import Decimal
from typing import Any

# Stripe's zero-decimal currencies. UGX and ISK have no decimals either, but Stripe counts them in hundredths
# (docs.stripe.com/currencies#special-cases).
_ZERO_DECIMAL = frozenset(
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
_THREE_DECIMAL = frozenset(("BHD", "JOD", "KWD", "OMR", "TND"))
_SIGNS = {"EUR": "€", "USD": "$", "GBP": "£"}


def decimals(currency: str) -> int:
    """How many digits of an amount stand after the point, as Stripe counts minor units."""
    if currency in _ZERO_DECIMAL:
        return 0
    return 3 if currency in _THREE_DECIMAL else 2


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
