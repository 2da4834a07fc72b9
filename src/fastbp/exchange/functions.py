"""The activations of exported networks: each in ONNX and in C, in one record by its name.

The equations are those of _kernels/activations.pxd. An operator of ONNX is taken where onnxruntime
computes it, in the type, to a few units in the last place of the largest values. For the others
there are

    logistic    1 / (1 + e^-z)                      Sigmoid gives no more than 1e-8 below z = -18
    expm1       2 t / (1 - t), t = tanh(z / 2)      for z <= 0; Elu and Selu have no float64
    log1p       t log(u) / (u - 1), u = 1 + t       or t where u is 1; Softplus has no float64
    gelu        max(z, 0) - |z| (1 - Phi(|z|))      as the kernels have Phi; Erf has no float64

(log1p: Higham, "Accuracy and Stability of Numerical Algorithms", 2nd ed. (2002), section 1.14.1.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.polynomial import chebyshev
from scipy.special import erfcx

from .onnx_graph import Graph, add_cast

LEAK = 0.01
SELU_SCALE = 1.0507009873554805
SELU_LOWER = SELU_SCALE * 1.6732632423543772
# What a network's outputs may go through: see onnx_network.py and c_network.py.
OUTPUTS = ("identity", "logistic", "softmax", "exp", "increasing")


@dataclass(frozen=True)
class CFunction:
    """A function of one number z in C.

    Attributes
    ----------
    body : str
        Its statements. T is the type, F ends the names of math.h's functions for it, NAME_ begins
        those of other activations; a number in braces is a literal of the type.
    calls : tuple of str
        The activations that it calls.
    constants : dict of str to float
        The numbers in braces.
    """

    body: str
    calls: tuple[str, ...] = ()
    constants: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Activation:
    """An activation in both forms.

    Attributes
    ----------
    in_onnx : callable
        ``in_onnx(graph, z)`` adds g(z) to the graph and returns its name.
    in_c : CFunction
    """

    in_onnx: Callable[[Graph, str], str]
    in_c: CFunction


def check_functions(activations: Iterable[str], output: str) -> None:
    """ValueError for an activation or an output that has no form here."""
    for parameter, name, names in [
        *(("activation", one, ACTIVATIONS) for one in activations),
        ("output_activation", output, OUTPUTS),
    ]:
        if name not in names:
            raise ValueError(
                f"{parameter}={name!r} cannot be exported; those that can are {', '.join(names)}."
            )


def add_activation(graph: Graph, name: str, z: str) -> str:
    """g(z) of each element, for a hidden activation by its name."""
    return ACTIVATIONS[name].in_onnx(graph, z)


def _add_logistic(graph, z):
    e = graph.add("Exp", graph.add("Neg", z))
    return graph.add("Div", 1.0, graph.add("Add", e, 1.0))


def _add_leaky_relu(graph, z):
    # not LeakyRelu, whose slope is a float32
    return graph.add("Max", z, graph.add("Mul", z, LEAK))


def _add_expm1_of_negative(graph, z):
    t = graph.add("Tanh", graph.add("Mul", graph.add("Min", z, 0.0), 0.5))
    return graph.add("Div", graph.add("Add", t, t), graph.add("Sub", 1.0, t))


def _add_elu(graph, z):
    if graph.dtype == np.float32:
        return graph.add("Elu", z)
    return graph.add("Add", graph.add("Max", z, 0.0), _add_expm1_of_negative(graph, z))


def _add_selu(graph, z):
    upper = graph.add("Mul", graph.add("Max", z, 0.0), SELU_SCALE)
    if graph.dtype == np.float32:
        negative = graph.add("Elu", graph.add("Min", z, 0.0))
    else:
        negative = _add_expm1_of_negative(graph, z)
    return graph.add("Add", upper, graph.add("Mul", negative, SELU_LOWER))


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


ACTIVATIONS = {
    "identity": Activation(lambda graph, z: z, CFunction("return z;")),
    "logistic": Activation(_add_logistic, CFunction("return 1 / (1 + expF(-z));")),
    "tanh": Activation(lambda graph, z: graph.add("Tanh", z), CFunction("return tanhF(z);")),
    "relu": Activation(lambda graph, z: graph.add("Relu", z), CFunction("return z < 0 ? 0 : z;")),
    "leaky_relu": Activation(
        _add_leaky_relu,
        CFunction("return z > 0 ? z : {slope} * z;", constants={"slope": LEAK}),
    ),
    "elu": Activation(_add_elu, CFunction("return z > 0 ? z : expm1F(z);")),
    "selu": Activation(
        _add_selu,
        CFunction(
            "return z > 0 ? {scale} * z : {lower} * expm1F(z);",
            constants={"scale": SELU_SCALE, "lower": SELU_LOWER},
        ),
    ),
    "softplus": Activation(
        _add_softplus, CFunction("return (z < 0 ? 0 : z) + log1pF(expF(-fabsF(z)));")
    ),
    "silu": Activation(_add_silu, CFunction("return z * NAME_logistic(z);", calls=("logistic",))),
    # z Phi(z)
    "gelu": Activation(
        _add_gelu,
        CFunction(
            "return z * ({half} * erfcF(-z * {root_of_half}));",
            constants={"half": 0.5, "root_of_half": 0.7071067811865476},
        ),
    ),
    # z tanh(log(1 + e^z)); beyond 30 the factor is 1
    "mish": Activation(
        _add_mish,
        CFunction(
            "const T e = expF(z > 30 ? 30 : z), n = e * (e + 2);\n    return z * (n / (n + 2));"
        ),
    ),
}
