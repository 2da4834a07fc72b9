"""A front: what stands before the first layer of a network, with learned parameters of its own.

    "scale"      f = s * x: a learned factor for each input
    "periodic"   f = s * (x, e): beside it, n_components features of each of the first inputs,
                 e_jr = c_jr + sum_h V_jhr cos(2 pi (w_jh x_j + b_jh))

This module knows the sizes, the names and the initial values of the parameters; _kernels/front.pxd
computes with them. A network's vector ends with them, and no penalty or decay acts on them.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any, get_args

import numpy as np
from scipy import sparse

from . import _kernels
from .checks import as_whole_number, one_of
from .types import FloatArray, FrontName

# Cosines of an input, and what they are mixed to: as many as in RealMLP.
N_FREQUENCIES, N_COMPONENTS = _kernels.core.WAVES
FREQUENCY_SCALE = 0.1  # standard deviation of the initial w: RealMLP's, for inputs of order one


@dataclass(frozen=True)
class Front:
    """The sizes of a front.

    Attributes
    ----------
    n_features : int
    n_periodic : int
        Inputs with periodic features: the first ones.
    """

    n_features: int
    n_periodic: int = 0

    @property
    def width(self) -> int:
        """The inputs of the first layer."""
        return self.n_features + self.n_periodic * N_COMPONENTS

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each parameter, in the order of the network's vector."""
        waves = self.n_periodic, N_FREQUENCIES
        periodic = {
            "frequencies": waves,
            "phases": waves,
            "weights": (*waves, N_COMPONENTS),
            "intercepts": (self.n_periodic, N_COMPONENTS),
        }
        return {"scale": (self.width,), **(periodic if self.n_periodic else {})}

    @property
    def n_params(self) -> int:
        return sum(prod(shape) for shape in self.shapes.values())

    def split(self, flat: FloatArray) -> dict[str, FloatArray]:
        """Views of a vector that ends with the front's parameters, by their names."""
        views, start = {}, flat.size - self.n_params
        for name, shape in self.shapes.items():
            views[name] = flat[start : start + prod(shape)].reshape(shape)
            start += prod(shape)
        return views


def as_front(front: Any, n_periodic: Any, n_features: int) -> Front | None:
    """The Front that the arguments of a Network ask for; None: none."""
    if front is None:
        return None
    one_of("front", front, get_args(FrontName))
    if front == "scale":
        return Front(n_features)
    if n_periodic is None:
        return Front(n_features, n_features)
    n_periodic = as_whole_number("n_periodic", n_periodic, lowest=0)
    if n_periodic > n_features:
        raise ValueError(f"n_periodic={n_periodic} is more than the {n_features} inputs.")
    return Front(n_features, n_periodic)


def check_dense(X: Any, front: Any) -> None:
    """ValueError for a sparse matrix where there is a front."""
    if front is not None and sparse.issparse(X):
        raise ValueError(
            f"front={front!r} needs a dense X, got a sparse matrix; use X.toarray() or front=None."
        )


def draw_front(views: dict[str, FloatArray], random_state: np.random.RandomState) -> None:
    """Fill the parameters of a front with initial values.

    Scales of one, normal frequencies, phases of a whole turn, and a mixing layer as PyTorch draws
    one, uniform within 1 / sqrt(fan_in).
    """
    views["scale"][...] = 1
    if "phases" not in views:
        return
    bound = 1 / np.sqrt(N_FREQUENCIES)
    frequencies = random_state.standard_normal(views["frequencies"].shape)
    views["frequencies"][...] = FREQUENCY_SCALE * frequencies
    views["phases"][...] = random_state.uniform(-0.5, 0.5, views["phases"].shape)
    for name in ("weights", "intercepts"):
        views[name][...] = random_state.uniform(-bound, bound, views[name].shape)
