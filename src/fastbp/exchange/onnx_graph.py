"""An ONNX graph as plain data, and what a network's description is in it.

Takes a Description (description.py) and the name of its inputs; returns the names of its results.
Of ONNX it uses operators of version 13 to 22 whose form has not changed in between. No package is
needed: onnx_model.py makes a file of a Graph, and fastbp.onnx a part of skl2onnx's graph.

The equations are those of _kernels/activations.pxd, losses.pxd and front.pxd. An operator of ONNX
is taken where onnxruntime computes it, in the type, to a few units in the last place of the largest
values. For the others there are

    logistic    1 / (1 + e^-z)                      Sigmoid gives no more than 1e-8 below z = -18
    expm1       2 t / (1 - t), t = tanh(z / 2)      for z <= 0; Elu and Selu have no float64
    log1p       t log(u) / (u - 1), u = 1 + t       or t where u is 1; Softplus has no float64
    gelu        max(z, 0) - |z| (1 - Phi(|z|))      as the kernels have Phi; Erf has no float64

(log1p: Higham, "Accuracy and Stability of Numerical Algorithms", 2nd ed. (2002), section 1.14.1.)
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache
from itertools import count
from typing import Any

import numpy as np
from numpy.polynomial import chebyshev
from scipy.special import erfcx

from ..types import Array
from .description import ACTIVATION_CONSTANTS, Description, Labels

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


# --- networks ------------------------------------------------------------------------------------


def add_outputs(graph: Graph, description: Description, x: str) -> str:
    """Outputs p (n_samples, n_outputs) of the network for inputs x (n_samples, n_features)."""
    a = x if description.front is None else _add_front(graph, description, x)
    for number, layer in enumerate(description.layers):
        coef = graph.constant(layer.coef, f"coefs_{number}")
        if layer.intercept is None:
            z = graph.add("MatMul", a, coef)
        else:
            intercept = graph.constant(layer.intercept, f"intercepts_{number}")
            z = graph.add("Gemm", a, coef, intercept)
        a = z if layer.activation is None else add_activation(graph, layer.activation, z)
    return _add_output(graph, description, a)


def add_values(graph: Graph, description: Description, p: str, output: str | None = None) -> str:
    """The values (n_samples, n_values) of outputs p, by the name `output`."""
    rule = description.values_rule
    if rule == "complement":
        return graph.add("Concat", graph.add("Sub", 1.0, p), p, axis=1, output=output)
    if rule == "ones":
        return graph.add("Add", graph.add("Mul", p, 0.0), 1.0, output=output)
    if rule == "shares":
        total = graph.add("ReduceSum", p, axes(1), keepdims=1)
        no_class = add_cast(graph, graph.add("Equal", total, 0.0), graph.dtype)
        total = graph.add("Add", total, graph.add("Mul", no_class, float(description.n_outputs)))
        return graph.add("Div", graph.add("Add", p, no_class), total, output=output)
    if rule == "mean":
        return add_columns(graph, p, 0, 1, output=output)
    return graph.add("Identity", p, output=output)


def add_std(graph: Graph, p: str, output: str | None = None) -> str:
    """The standard deviation (n_samples, 1) of the loss 'gaussian'."""
    log_variance = add_columns(graph, p, 1, 2)
    return graph.add("Exp", graph.add("Mul", log_variance, 0.5), output=output)


def add_labels(graph: Graph, labels: Labels, p: str, output: str) -> str:
    """The labels (n_samples,) of outputs p, or (n_samples, n_classes) of 0 and 1."""
    if labels.rule == "each above half":
        return add_cast(graph, graph.add("Greater", p, 0.5), np.int64, output=output)
    if labels.rule == "largest":
        code = graph.add("ArgMax", p, axis=1, keepdims=0)
    else:
        is_second = add_cast(graph, graph.add("Greater", p, 0.5), np.int64)
        code = graph.add("Squeeze", is_second, axes(1))
        if len(labels.classes) == 1:
            code = graph.add("Mul", code, axes(0))
    return add_class_of_code(graph, labels.classes, code, output)


def add_class_of_code(graph: Graph, classes: Array, code: str, output: str) -> str:
    """The classes at the places `code`, by the name `output`."""
    return graph.add("Gather", graph.constant(label_array(classes), "classes"), code, output=output)


def label_array(classes: Array) -> Array:
    """Labels in a type that ONNX has: strings as an array of objects, or int64.

    Booleans and whole numbers of a floating type become int64, as skl2onnx makes them.

    Raises
    ------
    ValueError
        For labels that are neither strings nor whole numbers of 64 bits.
    """
    if classes.dtype.kind in "OU" and all(isinstance(one, str) for one in classes.tolist()):
        return classes.astype(object)
    whole = None
    if classes.dtype.kind in "biufO":
        with np.errstate(invalid="ignore"):
            try:
                whole = classes.astype(np.int64)
            except (TypeError, ValueError, OverflowError):
                whole = None
    if whole is None or (whole != classes).any():
        raise ValueError(
            "ONNX has labels of strings and of 64-bit integers, got classes of "
            f"{classes.dtype}: {classes[:3].tolist()} ...; fit with one of these as labels."
        )
    return whole


def add_cast(graph: Graph, x: str, dtype: Any, output: str | None = None) -> str:
    """x in another type."""
    return graph.add("Cast", x, to=ONNX_TYPES[np.dtype(dtype).name], output=output)


# Numbers of onnx.TensorProto.DataType.
ONNX_TYPES = {"float32": 1, "int64": 7, "str": 8, "bool": 9, "float64": 11}


def add_columns(graph: Graph, x: str, start: int, stop: int, output: str | None = None) -> str:
    """Columns [start, stop) of a matrix."""
    return graph.add("Slice", x, axes(start), axes(stop), axes(1), output=output)


# --- functions -----------------------------------------------------------------------------------


def _add_output(graph, description, z):
    name = description.output_activation
    if name == "softmax":
        return graph.add("Softmax", z, axis=1)
    if name == "logistic":
        return add_activation(graph, "logistic", z)
    if name == "exp":
        return graph.add("Exp", z)
    if name == "increasing" and description.n_outputs > 1:
        first = add_columns(graph, z, 0, 1)
        steps = add_activation(graph, "softplus", add_columns(graph, z, 1, description.n_outputs))
        steps = graph.add("Concat", first, steps, axis=1)
        return graph.add("CumSum", steps, np.array(1, dtype=np.int64))
    return z


def add_activation(graph: Graph, name: str, z: str) -> str:
    """g(z) of each element, for a hidden activation by its name."""
    return ACTIVATIONS[name](graph, z)


def _add_logistic(graph, z):
    e = graph.add("Exp", graph.add("Neg", z))
    return graph.add("Div", 1.0, graph.add("Add", e, 1.0))


def _add_leaky_relu(graph, z):
    # not LeakyRelu, whose slope is a float32
    slope = ACTIVATION_CONSTANTS["leaky_relu"]["slope"]
    return graph.add("Max", z, graph.add("Mul", z, slope))


def _add_expm1_of_negative(graph, z):
    t = graph.add("Tanh", graph.add("Mul", graph.add("Min", z, 0.0), 0.5))
    return graph.add("Div", graph.add("Add", t, t), graph.add("Sub", 1.0, t))


def _add_elu(graph, z):
    if graph.dtype == np.float32:
        return graph.add("Elu", z)
    return graph.add("Add", graph.add("Max", z, 0.0), _add_expm1_of_negative(graph, z))


def _add_selu(graph, z):
    constants = ACTIVATION_CONSTANTS["selu"]
    upper = graph.add("Mul", graph.add("Max", z, 0.0), constants["scale"])
    if graph.dtype == np.float32:
        negative = graph.add("Elu", graph.add("Min", z, 0.0))
    else:
        negative = _add_expm1_of_negative(graph, z)
    return graph.add("Add", upper, graph.add("Mul", negative, constants["lower"]))


def _add_softplus(graph, z):
    if graph.dtype == np.float32:
        return graph.add("Softplus", z)
    t = graph.add("Exp", graph.add("Neg", graph.add("Abs", z)))
    u = graph.add("Add", t, 1.0)
    d = graph.add("Sub", u, 1.0)
    # where d is 0, both the logarithm and d become 1
    is_lost = add_cast(graph, graph.add("Equal", d, 0.0), graph.dtype)
    log_u = graph.add("Add", graph.add("Log", u), is_lost)
    log1p = graph.add("Div", graph.add("Mul", t, log_u), graph.add("Add", d, is_lost))
    return graph.add("Add", graph.add("Max", z, 0.0), log1p)


def _add_silu(graph, z):
    return graph.add("Mul", z, _add_logistic(graph, z))


def _add_gelu(graph, z):
    if graph.dtype == np.float32:
        # in the form that onnxruntime knows
        root = graph.add("Erf", graph.add("Div", z, 2**0.5))
        return graph.add("Mul", graph.add("Mul", z, graph.add("Add", root, 1.0)), 0.5)
    size = graph.add("Abs", z)
    gauss = graph.add("Exp", graph.add("Mul", graph.add("Mul", z, z), -0.5))
    t = graph.add("Div", TAIL_SCALE, graph.add("Add", size, TAIL_SCALE))
    u = graph.add("Sub", graph.add("Add", t, t), 1.0)
    *lower, highest = tail_coefficients()
    p = graph.add("Add", graph.add("Mul", u, highest), lower.pop())
    for coefficient in reversed(lower):
        p = graph.add("Add", graph.add("Mul", p, u), coefficient)
    tail = graph.add("Mul", graph.add("Mul", gauss, t), p)
    return graph.add("Sub", graph.add("Max", z, 0.0), graph.add("Mul", size, tail))


# As normal_cdf of _kernels/simd/vmath.h: 1 - Phi(z) = e^(-z^2 / 2) t P(2 t - 1) with
# t = c / (c + z), z >= 0, and P the Chebyshev interpolant of this degree.
TAIL_SCALE, TAIL_DEGREE = 3.75 * 2**0.5, 22


@cache
def tail_coefficients() -> tuple[float, ...]:
    """P, the coefficient of degree 0 first."""

    def tail(u):
        t = (u + 1) / 2
        return erfcx((TAIL_SCALE / t - TAIL_SCALE) / 2**0.5) / (2 * t)

    of_powers = chebyshev.cheb2poly(chebyshev.chebinterpolate(tail, TAIL_DEGREE))
    return tuple(of_powers.tolist())


def _add_mish(graph, z):
    e = graph.add("Exp", graph.add("Min", z, 30.0))
    n = graph.add("Mul", e, graph.add("Add", e, 2.0))
    return graph.add("Mul", z, graph.add("Div", n, graph.add("Add", n, 2.0)))


ACTIVATIONS: dict[str, Callable[[Graph, str], str]] = {
    "identity": lambda graph, z: z,
    "logistic": _add_logistic,
    "tanh": lambda graph, z: graph.add("Tanh", z),
    "relu": lambda graph, z: graph.add("Relu", z),
    "leaky_relu": _add_leaky_relu,
    "elu": _add_elu,
    "selu": _add_selu,
    "softplus": _add_softplus,
    "silu": _add_silu,
    "gelu": _add_gelu,
    "mish": _add_mish,
}


def _add_front(graph, description, x):
    front, params = description.front, description.front_params
    f, n_periodic = x, front.n_periodic
    if n_periodic:
        columns = x if n_periodic == front.n_features else add_columns(graph, x, 0, n_periodic)
        # (n_periodic, n_samples, 1): the samples of one input side by side
        xs = graph.add("Unsqueeze", graph.add("Transpose", columns, perm=[1, 0]), axes(2))
        frequencies = graph.constant(params["frequencies"][:, np.newaxis], "frequencies")
        phases = graph.constant(params["phases"][:, np.newaxis], "phases")
        turns = graph.add("Add", graph.add("Mul", xs, frequencies), phases)
        # cos(2 pi r) = sin(2 pi (1/4 - |r|)) of the fraction r of a turn
        fraction = graph.add("Abs", graph.add("Sub", turns, graph.add("Round", turns)))
        angle = graph.add("Mul", graph.add("Sub", 0.25, fraction), 2 * np.pi)
        weights = graph.constant(params["weights"], "front_weights")
        intercepts = graph.constant(params["intercepts"][:, np.newaxis], "front_intercepts")
        mixed = graph.add("MatMul", graph.add("Sin", angle), weights)
        mixed = graph.add("Add", mixed, intercepts)
        rows = graph.add("Transpose", mixed, perm=[1, 0, 2])
        flat = graph.add("Reshape", rows, axes(0, front.width - front.n_features))
        f = graph.add("Concat", x, flat, axis=1)
    return graph.add("Mul", f, graph.constant(params["scale"], "front_scale"))
