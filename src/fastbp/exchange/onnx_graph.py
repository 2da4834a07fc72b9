"""An ONNX graph as plain data.

No package is needed: onnx_model.py makes a file of a Graph, and fastbp.onnx a part of skl2onnx's
graph. What is added to it are operators of version 13 to 22 whose form has not changed in between.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np

from ..types import Array

ML_DOMAIN = "ai.onnx.ml"


@dataclass(frozen=True)
class Node:
    """One operation: its operator, the names of its inputs and of its outputs, and attributes."""

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]
    domain: str = ""


class Graph:
    """Nodes and constants, in the order in which they were added.

    Parameters
    ----------
    dtype : dtype
        Of the numbers that are given as operands.
    unique_name : callable, default=None
        Makes a name that no other part of a larger graph has.
    reserved : collection of str
        Names that are in use otherwise.
    """

    def __init__(
        self,
        dtype: Any,
        unique_name: Callable[[str], str] | None = None,
        reserved: Collection[str] = (),
    ) -> None:
        self.dtype = np.dtype(dtype)
        self.nodes: list[Node] = []
        self.constants: dict[str, Array] = {}
        self.unique_name = unique_name or _numbered_names(set(reserved))
        self._known: dict[Any, str] = {}

    def add(
        self,
        op: str,
        *operands: str | float | Array,
        output: str | None = None,
        domain: str = "",
        **attributes: Any,
    ) -> str:
        """The name of the result of an operator.

        operands : names, numbers of the graph's dtype, and arrays
        """
        inputs = tuple(self._name_of(one) for one in operands)
        output = self.unique_name(op.lower()) if output is None else output
        self.nodes.append(Node(op, inputs, (output,), attributes, domain))
        return output

    def _name_of(self, operand):
        if isinstance(operand, str):
            return operand
        if isinstance(operand, np.ndarray):
            return self.constant(operand)
        return self.constant(np.array(operand, self.dtype), "number")

    def constant(self, array: Array, name: str = "constant") -> str:
        """The name of a constant; equal small ones are one."""
        key = None
        if array.size <= 8 and array.dtype.kind != "O":
            key = array.dtype.str, array.shape, array.tobytes()
            if key in self._known:
                return self._known[key]
        unique = self.unique_name(name)
        self.constants[unique] = array
        if key is not None:
            self._known[key] = unique
        return unique


def _numbered_names(reserved):
    numbers: dict[str, Any] = {}

    def unique_name(stem):
        numbered = (f"{stem}_{k}" for k in numbers.setdefault(stem, count(1)))
        return next(name for name in numbered if name not in reserved)

    return unique_name


def axes(*numbers: int) -> Array:
    """Axes, sizes or indices as operators of ONNX take them."""
    return np.array(numbers, dtype=np.int64)


def add_cast(graph: Graph, x: str, dtype: Any, output: str | None = None) -> str:
    """x in another type."""
    return graph.add("Cast", x, to=ONNX_TYPES[np.dtype(dtype).name], output=output)


# Numbers of onnx.TensorProto.DataType.
ONNX_TYPES = {"float32": 1, "int64": 7, "str": 8, "bool": 9, "float64": 11}


def add_columns(graph: Graph, x: str, start: int, stop: int, output: str | None = None) -> str:
    """Columns [start, stop) of a matrix."""
    return graph.add("Slice", x, axes(start), axes(stop), axes(1), output=output)
