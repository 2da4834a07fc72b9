"""The words of a C99 file: exact numbers, arrays, texts and comments.

    literal       a number, exactly
    array         a table of constants
    string        a text between quotes, in ASCII
    comment       lines in a comment that no text can end

Decimal numbers may be rounded to a neighbour of the nearest float by a compiler that the standard
allows to (C99 6.4.4.2); hexadecimal ones may not. So weights are written in hexadecimal.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..types import Array

WIDTH = 98  # of a line
SUFFIX = {"float": "F", "double": ""}
DTYPES = {"float": np.float32, "double": np.float64}
SIZES = {"float": 4, "double": 8, "int": 4}  # bytes
# What an escape is for: "??" begins a trigraph, which a C99 compiler replaces in texts and comments
ESCAPES = {ord("\\"): "\\\\", ord('"'): '\\"', ord("?"): "\\?"}


def literal(value: float, ctype: str) -> str:
    """A number of a C type, exactly."""
    value = float(value)
    if value == float("inf"):
        return "HUGE_VAL"  # a double
    if ctype == "float":
        value = float(np.float32(value))
    if abs(value) < 1000 and (8 * value).is_integer():
        digits = f"{value}"
    else:
        mantissa, exponent = value.hex().split("p")
        mantissa = mantissa.rstrip("0") if "." in mantissa else mantissa
        digits = f"{mantissa.rstrip('.')}p{exponent}"
    return digits + SUFFIX[ctype]


def array(declaration: str, values: Array, ctype: str) -> list[str]:
    """Lines that define a table of numbers: `declaration` without its sizes."""
    shape = "".join(f"[{size}]" for size in values.shape)
    return [f"{declaration}{shape} = {{", *_rows(values, ctype), "};"]


def _rows(values: Array, ctype: str) -> list[str]:
    if values.ndim == 1:
        words = [str(one) if ctype == "int" else literal(one, ctype) for one in values.tolist()]
        return wrap(words)
    lines = []
    for k, part in enumerate(values):
        inner = _rows(part, ctype)
        end = "}" if k == len(values) - 1 else "},"
        if len(inner) == 1 and values.ndim == 2:
            lines.append(f"    {{{inner[0].strip()}{end}")
        else:
            lines += ["    {", *(f"    {line}" for line in inner), f"    {end}"]
    return lines


def wrap(words: Iterable[str], indent: str = "    ") -> list[str]:
    """Words with commas between them, in lines."""
    lines, line = [], ""
    for word in words:
        if line and len(indent) + len(line) + len(word) + 3 > WIDTH:
            lines.append(f"{indent}{line},")
            line = word
        else:
            line = f"{line}, {word}" if line else word
    return [*lines, f"{indent}{line}"]


def string(text: Any) -> str:
    """A text as a C literal of ASCII characters: its bytes in UTF-8."""
    characters = []
    for byte in str(text).encode("utf-8", "surrogatepass"):
        # three octal digits: a digit after them is another character
        plain = chr(byte) if 32 <= byte < 127 else f"\\{byte:03o}"
        characters.append(ESCAPES.get(byte, plain))
    return f'"{"".join(characters)}"'


def comment(lines: Iterable[str]) -> list[str]:
    """A comment of several lines."""
    safe = [line.replace("*/", "*\\057").replace("/*", "/\\052") for line in lines]
    body = [f" * {line}".rstrip() for line in safe]
    return ["/*" + body[0][2:], *body[1:], " */"]
