"""Learning rates of their own for groups of parameters: factors of the learning rate.

Takes ``learning_rate_factors``, a mapping from a kind of parameter to its factor; returns the
groups as the compiled Trainer takes them. The kinds are "coefs", "intercepts", and those of a
front, "scale" and "periodic". "fan_in" as the factor of coefs is sqrt(256 / fan_in) for each layer:
under Adam, whose steps have one size whatever the gradient, this trains as the neural tangent
parametrisation does, in which a layer's outputs move as fast whatever its width (Holzmueller,
Grinsztajn and Steinwart, "Better by default", NeurIPS 2024).
"""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np

from ..checks import as_number
from ..near_names import hint
from ..network import Network
from ..types import Array, LearningRateFactors

KINDS = ("coefs", "intercepts", "scale", "periodic")
FAN_IN = "fan_in"
USUAL_FAN_IN = 256  # whose factor is 1


def check_factors(factors: LearningRateFactors) -> None:
    """TypeError or ValueError for what is no mapping of a kind to a factor."""
    for kind, factor in ({} if factors is None else factors).items():
        if kind not in KINDS:
            kinds = ", ".join(map(repr, KINDS))
            raise ValueError(
                f"learning_rate_factors has the key {kind!r}, which is not one of {kinds}."
                f"{hint(kind, KINDS)}"
            )
        if kind != "coefs" or factor != FAN_IN:
            as_number(f"learning_rate_factors[{kind!r}]", factor, lowest=0, included=False)


def groups_of(network: Network, factors: LearningRateFactors) -> tuple[Array, Array] | None:
    """Where each group of a network's parameters ends, and its factor; None: one group of all."""
    if not factors:
        return None
    groups: list[tuple[int, float]] = []
    for coef in network.coefs:
        groups.append((coef.size, _factor_of_coefs(factors, coef.shape[0])))
    for intercept in network.intercepts:
        groups.append((intercept.size, _factor(factors, "intercepts")))
    for name, array in network.front_params.items():
        kind = "scale" if name == "scale" else "periodic"
        groups.append((array.size, _factor(factors, kind)))
    sizes, values = zip(*groups, strict=True)
    return np.cumsum(sizes, dtype=np.intp), np.array(values)


def largest_decay_factor(groups: tuple[Array, Array] | None, network: Network) -> float:
    """The largest factor of coefs, which alone decay."""
    return 1.0 if groups is None else float(groups[1][: len(network.coefs)].max())


def _factor(factors: Any, kind: str) -> float:
    return float(factors.get(kind, 1.0))


def _factor_of_coefs(factors, fan_in):
    factor = factors.get("coefs", 1.0)
    return sqrt(USUAL_FAN_IN / fan_in) if factor == FAN_IN else float(factor)
