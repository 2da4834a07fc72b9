"""The parts of a C file that belong together, and their order in it.

Takes a Program, which says what there is; returns its text: a header for readers, prototypes,
tables of constants, functions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..types import Array
from ..versions import VERSION
from .c_text import comment, literal, string, strings, wrap

LARGEST_LONG = 2**31 - 1  # that every C compiler has


@dataclass(frozen=True)
class Function:
    """A function that a program calls.

    Attributes
    ----------
    head : str
        Its prototype, without the semicolon.
    about : list of str
        What it takes and returns, for the header.
    body : list of str
    stack : int
        Bytes of the arrays that it needs, those of functions that it calls included.
    """

    head: str
    about: list[str]
    body: list[str]
    stack: int

    @property
    def name(self) -> str:
        return self.head.partition("(")[0].split()[-1]


@dataclass
class Program:
    """A C file.

    Attributes
    ----------
    name : str
        The first part of all names in it.
    title : str
        What it computes, in a line.
    about : list of str
        More of it.
    sizes : dict of str to int
        Constants NAME_n_...
    functions : list of Function
    classes : ndarray, or None
        Labels, for a table NAME_classes.
    tables, helpers : list of str
        Lines: constants, and functions for the file alone.
    constants : int
        Bytes of the tables.
    """

    name: str
    title: str
    about: list[str]
    sizes: dict[str, int]
    functions: list[Function]
    classes: Array | None = None
    tables: list[str] = field(default_factory=list)
    helpers: list[str] = field(default_factory=list)
    constants: int = 0

    def text(self) -> str:
        """The file."""
        sizes = [f"{self.name}_n_{what} = {size}" for what, size in self.sizes.items()]
        parts = [
            comment(self._header()),
            ["#include <math.h>"],
            [f"enum {{ {', '.join(sizes)} }};", *(f"{one.head};" for one in self.functions)],
            self._classes(),
            self.tables,
            self.helpers,
            *([one.head, "{", *one.body, "}"] for one in self.functions),
        ]
        return "\n\n".join("\n".join(part) for part in parts if part) + "\n"

    def _header(self) -> list[str]:
        lines = [
            f"{self.title}, written by fastbp {VERSION} (fastbp.to_c).",
            "C99. It needs math.h alone (link with -lm), allocates nothing and keeps no state.",
        ]
        for function in self.functions:
            lines += ["", f"{function.head};", *(f"    {line}" for line in function.about)]
        stacks = ", ".join(f"{one.stack} in {one.name}" for one in self.functions)
        return [
            *lines,
            "",
            *self.about,
            f"Bytes of arrays on the stack: {stacks}. Bytes of constants: {self.constants}.",
        ]

    def _classes(self) -> list[str]:
        if self.classes is None:
            return []
        ctype, words = _class_table(self.classes)
        declaration = f"{ctype}{self.name}_classes[{len(self.classes)}]"
        return [f"extern {declaration};", f"{declaration} = {{", *wrap(words), "};"]


def _class_table(classes: Any) -> tuple[str, list[str]]:
    """The type of a table of class labels, up to its name, and the words of its entries."""
    values = classes.tolist()
    if classes.dtype.kind in "iu":
        if all(-LARGEST_LONG <= value <= LARGEST_LONG for value in values):
            return "const long ", [str(value) for value in values]
    elif classes.dtype.kind == "f":
        return "const double ", [literal(value, "double") for value in values]
    return "const char *const ", strings(values)


def describe_inputs(n: int, names: Iterable[str] | None, what: str) -> list[str]:
    """Lines about x."""
    lines = [f"x    {n} {'number' if n == 1 else 'numbers'}: {what}"]
    if names is not None:
        lines += [f"     x[{j}]  {string(name)}" for j, name in enumerate(names)]
    return lines


def describe_classes(n: int, classes: Sequence[Any], name: str, what: str) -> list[str]:
    """Lines about the outputs of a classifier, one a class."""
    return [
        f"out  {n} {'number' if n == 1 else 'numbers'}: {what} of each of {name}_classes",
        *(f"     out[{k}]  {string(label)}" for k, label in enumerate(classes[:n])),
    ]
