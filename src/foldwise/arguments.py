"""Checks of the arguments that a competition.toml gives to a loss, a schedule or a metric."""

import math
import sys
from collections.abc import Callable, Mapping
from typing import Any

from foldwise.errors import InputError, shorten

LARGEST = sys.float_info.max
Range = tuple[str, Callable[[float], bool]]  # what is wanted, in words, and whether a number is that

INSIDE: Range = ("a number between 0 and 1", lambda value: 0 < value < 1)
SHARE: Range = ("a number from 0 to 1", lambda value: 0 <= value <= 1)
FROM_0: Range = ("a number from 0 on", lambda value: 0 <= value < math.inf)
ABOVE_0: Range = ("a number above 0", lambda value: 0 < value < math.inf)
EVALUATIONS: Range = ("a whole number of evaluations, from 0 on", lambda value: value >= 0 and value == int(value))


def check_arguments(field: str, name: str, given: Mapping[str, Any], takes: Mapping[str, Range]) -> None:
    """Refuse arguments that `name` does not take, and values out of range.

    Args:
        field: key of the table that holds them, for messages.
    """
    for argument, value in given.items():
        key = f"{field}.{argument} = {shorten(value)}"
        if argument not in takes:
            raise InputError(f"{key}: {name} takes {', '.join(takes) or 'no arguments'}")
        wanted, fits = takes[argument]
        is_number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST
        if not is_number or not fits(value):
            raise InputError(f"{key}: give {wanted}")
