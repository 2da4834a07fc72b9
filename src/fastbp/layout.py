"""The layout of a network's parameters: one flat vector, and what lies where in it.

    all coefficients, layer after layer, each (fan_in, fan_out) in C order
    all intercepts, layer after layer, each (fan_out,); none with fit_intercept=False
    the parameters of a front

A gradient by the parameters has the same layout. Layout counts the parameters and cuts a vector
into views; LossGradient is a loss with the views of its gradient.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from .checks import as_layer_sizes
from .front import Front
from .types import FloatArray


class Layout:
    """Where the parameters of a network lie in its vector.

    Parameters
    ----------
    layer_sizes : tuple of int
        ``(n_features, hidden..., n_outputs)``.
    fit_intercept : bool
    front : Front or None

    Attributes
    ----------
    shapes : list of (fan_in, fan_out)
        Of the layers; with a front, the first one reads what that returns.
    n_params : int
    """

    def __init__(
        self, layer_sizes: tuple[int, ...], fit_intercept: bool, front: Front | None
    ) -> None:
        self.layer_sizes, self.fit_intercept, self.front = layer_sizes, fit_intercept, front
        width = layer_sizes[0] if front is None else front.width
        self.shapes: list[tuple[int, int]] = list(pairwise((width, *layer_sizes[1:])))
        self.n_params: int = 0 if front is None else front.n_params
        for fan_in, fan_out in self.shapes:
            self.n_params += (fan_in + fit_intercept) * fan_out

    def split(
        self, flat: FloatArray
    ) -> tuple[tuple[FloatArray, ...], tuple[FloatArray, ...], dict[str, FloatArray]]:
        """Views of a vector: coefs, intercepts, front_params."""
        coefs, intercepts, start = [], [], 0
        for fan_in, fan_out in self.shapes:
            coefs.append(flat[start : start + fan_in * fan_out].reshape(fan_in, fan_out))
            start += fan_in * fan_out
        for fan_out in self.layer_sizes[1:] if self.fit_intercept else ():
            intercepts.append(flat[start : start + fan_out])
            start += fan_out
        front_params = {} if self.front is None else self.front.split(flat)
        return tuple(coefs), tuple(intercepts), front_params

    def as_params(self, params: Any, dtype: np.dtype[Any]) -> FloatArray:
        """A vector of parameters from elsewhere, in this machine's byte order."""
        if (
            not isinstance(params, np.ndarray)
            or params.shape != (self.n_params,)
            or params.dtype.newbyteorder("=") != dtype
        ):
            shape, given = getattr(params, "shape", None), getattr(params, "dtype", type(params))
            raise ValueError(
                f"The parameters have shape {shape} and dtype {given}; layers of the sizes "
                f"{list(self.layer_sizes)} need shape ({self.n_params},) and dtype {dtype}."
            )
        return np.require(params, dtype=dtype, requirements=["C", "A", "W", "E"])


def as_network_sizes(layer_sizes: Any) -> tuple[int, ...]:
    """The sizes of a network's layers, checked: those of its inputs and outputs at least."""
    sizes = tuple(as_layer_sizes(layer_sizes))
    if len(sizes) < 2:
        raise ValueError(
            f"layer_sizes must name at least n_features and n_outputs, got {list(sizes)}."
        )
    return sizes


@dataclass(frozen=True)
class LossGradient:
    """The objective and its gradient at a network's parameters.

    Attributes
    ----------
    loss : float
        J.
    flat : ndarray of shape (n_params,)
        dJ/dparams, in the layout of ``Network.params``.
    coefs : tuple of ndarray of shape (fan_in, fan_out)
        Views of `flat`, one per layer.
    intercepts : tuple of ndarray of shape (fan_out,)
        Views of `flat`, one per layer; empty without intercepts.
    front_params : dict of str to ndarray
        Views of `flat`, as ``Network.front_params``; empty without a front.
    """

    loss: float
    flat: FloatArray
    coefs: tuple[FloatArray, ...]
    intercepts: tuple[FloatArray, ...]
    front_params: dict[str, FloatArray] = field(default_factory=dict)
