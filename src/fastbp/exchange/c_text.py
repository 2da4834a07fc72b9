"""The words of a C99 file: exact numbers, arrays, texts and comments.

    literal       a number, exactly
    array         a table of constants
    string        a text between quotes, in ASCII
    strings       the entries of a table of texts
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
DTYPES: dict[str, Any] = {"float": np.float32, "double": np.float64}
SIZES = {"float": 4, "double": 8, "int": 4}  # bytes
LONGEST_STRING = 4095  # bytes of a literal that every C99 compiler takes (5.2.4.1)
# What an escape is for: "??" begins a trigraph, which a C99 compiler replaces in texts and comments
ESCAPES = {ord("\\"): "\\\\", ord('"'): '\\"', ord("?"): "\\?"}


def literal(value: float, ctype: str) -> str:
    """A number, rounded to a C type, exactly as that is."""
    return _digits(float(DTYPES[ctype](value))) + SUFFIX[ctype]


def _digits(value: float) -> str:
    if abs(value) < 1000 and (8 * value).is_integer():
        return f"{value}"
    if value == float("inf"):
        return "HUGE_VAL"  # a double
    mantissa, _, exponent = value.hex().partition("p")
    return f"{mantissa.rstrip('0').rstrip('.')}p{exponent}"


def array(declaration: str, values: Array, ctype: str) -> list[str]:
    """Lines that define a table of numbers: `declaration` without its sizes."""
    shape = "".join(f"[{size}]" for size in values.shape)
    if ctype in DTYPES:
        values = values.astype(DTYPES[ctype], copy=False)
    return [f"{declaration}{shape} = {{", *_rows(values, SUFFIX.get(ctype)), "};"]


def _rows(values: Array, suffix: str | None) -> list[str]:
    """Lines within the braces of a table; suffix None: of integers."""
    if values.ndim == 1:
        numbers = values.tolist()
        return wrap(map(str, numbers) if suffix is None else [_digits(x) + suffix for x in numbers])
    lines = []
    for k, part in enumerate(values):
        inner = _rows(part, suffix)
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
    return f'"{"".join(_characters(text))}"'


def strings(texts: Iterable[Any]) -> list[str]:
    """Words of a table of type const char *: literals, and arrays for texts that are too long."""
    words = []
    for text in texts:
        characters = _characters(text)
        if len(characters) <= LONGEST_STRING:
            words.append(string(text))
            continue
        first, *others = ("'\\''" if one == "'" else f"'{one}'" for one in characters)
        words += [f"(const char[]){{{first}", *others, "0}"]
    return words


def _characters(text: Any) -> list[str]:
    """Each byte of a text in UTF-8, as it stands in a C literal."""
    characters = []
    for byte in str(text).encode("utf-8", "surrogatepass"):
        # three octal digits: a digit after them is another character
        plain = chr(byte) if 32 <= byte < 127 else f"\\{byte:03o}"
        characters.append(ESCAPES.get(byte, plain))
    return characters


def comment(lines: Iterable[str]) -> list[str]:
    """A comment of several lines."""
    safe = [line.replace("*/", "*\\057").replace("/*", "/\\052") for line in lines]
    body = [f" * {line}".rstrip() for line in safe]
    return ["/*" + body[0][2:], *body[1:], " */"]
