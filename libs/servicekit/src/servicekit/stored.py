"""Parses stored JSON that every request reads (a business's record, somebody's hours), once for each text.

Called by booking's stores and servicekit.tenants, which ask PostgreSQL for the text each time. What is kept here is
the value of a text, which cannot be out of date.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

from pydantic import TypeAdapter

_T = TypeVar("_T")
_KEPT = 4096


def reader(kind: type[_T]) -> Callable[[str], _T]:
    """Makes a function from JSON to an immutable `kind`, the same one for the same text.

    It raises pydantic.ValidationError for a text that is no such thing.
    """
    return lru_cache(_KEPT)(TypeAdapter(kind).validate_json)
