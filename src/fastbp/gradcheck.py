"""check_gradient: a Network's analytic gradient against central differences of its loss.

    numeric_j = (J(params + h e_j) - J(params - h e_j)) / 2h

Takes a float64 Network and data; returns a report of the worst relative error of each layer's
coefficients and intercepts. An error is relative to the largest gradient entry of its layer part,
since a difference quotient knows small entries only to the rounding of J; and never relative to
less than that rounding lets one see, so that a network at its minimum passes too.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np

from .network import Network
from .types import ArrayLike, MatrixLike

# The first step balances truncation (h^2) against rounding (eps / h). The others are tried where
# it fails: smaller ones for a kink of relu within h, a larger one for a very flat loss. A wrong
# gradient is wrong at all of them.
STEPS = (6e-6, 6e-7, 6e-8, 6e-5)
ROUNDINGS = 16  # of J, in units of its last place, that a difference quotient may be off by


@dataclass(frozen=True)
class LayerCheck:
    """Worst entry of one layer's coefs or intercepts."""

    name: str
    relative_error: float
    index: tuple[int, ...]
    analytic: float
    numeric: float


@dataclass(frozen=True)
class GradientReport:
    """What :func:`check_gradient` found; printable.

    Attributes
    ----------
    layers : tuple of LayerCheck
        One entry for each layer's coefs and intercepts: ``name``, ``relative_error``, and the
        ``index`` of the worst entry with its ``analytic`` and ``numeric`` value.
    rtol : float
        The bound.
    worst : float
        The largest relative error of all.
    passed : bool
        Whether `worst` is within `rtol`.
    """

    layers: tuple[LayerCheck, ...]
    rtol: float

    @property
    def worst(self) -> float:
        return max(layer.relative_error for layer in self.layers)

    @property
    def passed(self) -> bool:
        return bool(self.worst <= self.rtol)

    def __str__(self) -> str:
        lines = [f"{'':14} {'relative error':>14}   {'at':12} {'analytic':>13} {'numeric':>13}"]
        for layer in self.layers:
            mark = "" if layer.relative_error <= self.rtol else "   <-- wrong"
            lines.append(
                f"{layer.name:14} {layer.relative_error:14.1e}   {layer.index!s:12} "
                f"{layer.analytic:13.6e} {layer.numeric:13.6e}{mark}"
            )
        verdict = "passed" if self.passed else "FAILED"
        lines.append(f"gradient check {verdict}: worst {self.worst:.1e}, bound {self.rtol:.1e}")
        return "\n".join(lines)


def check_gradient(
    net: Network,
    X: MatrixLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    rtol: float = 1e-6,
) -> GradientReport:
    """Compare a network's gradient with central differences of its loss.

    Parameters
    ----------
    net : Network
        With ``dtype="float64"``. It is not changed.
    X : array-like or CSR matrix of shape (n_samples, n_features)
    y : array-like of shape (n_samples, n_outputs) or (n_samples,)
    sample_weight : array-like of shape (n_samples,), default=None
    rtol : float, default=1e-6
        Bound on the relative error, |analytic - numeric| over the largest gradient entry of the
        same layer's coefs or intercepts (or, close to a minimum, over the smallest gradient
        that differences of J show to this accuracy).

    Returns
    -------
    GradientReport
        ``print(report)`` shows it by layer; ``report.passed`` and ``report.worst`` sum it up.

    Raises
    ------
    ValueError
        For a float32 network: rounding alone would exceed any useful bound.
    TypeError
        For what is no Network: a fitted estimator has one, ``network_``.

    Notes
    -----
    The loss is evaluated twice per parameter, so keep networks and data small.

    References
    ----------
    Nocedal and Wright, "Numerical Optimization" (2006), section 8.1, for the step.

    Examples
    --------
    >>> import numpy as np
    >>> from fastbp import Network, check_gradient
    >>> rng = np.random.RandomState(0)
    >>> X, y = rng.randn(5, 2), rng.randn(5)
    >>> check_gradient(Network([2, 4, 1], activation="tanh", random_state=0), X, y).passed
    True
    """
    if not isinstance(net, Network):
        kind, is_fitted = type(net).__name__, isinstance(getattr(net, "network_", None), Network)
        advice = "; pass model.network_" if is_fitted else ", as check_gradient(net, X, y) takes it"
        raise TypeError(f"net must be a Network, got {kind}{advice}.")
    if net.dtype != np.float64:
        raise ValueError(
            f"check_gradient needs a Network of dtype float64, got {net.dtype.name}: in float32 "
            "a difference quotient is all rounding. Build it with dtype='float64'."
        )
    analytic = net.loss_gradient(X, y, sample_weight)
    probe = copy.deepcopy(net)
    visible = ROUNDINGS * np.finfo(float).eps * abs(analytic.loss) / STEPS[0] / rtol
    layers = []
    for name, part, shape in _named_parts(net):
        exact = analytic.flat[part]
        scale = max(np.max(np.abs(exact)), visible)
        entries = enumerate(exact, start=part.start)
        numeric = [
            _closest_quotient(probe, X, y, sample_weight, j, value, rtol * scale)
            for j, value in entries
        ]
        layers.append(_layer_check(name, exact, np.array(numeric), shape, scale))
    return GradientReport(tuple(layers), rtol)


def _closest_quotient(probe, X, y, sample_weight, j, exact, bound):
    """The difference quotient at the first of STEPS that clearly agrees, else the closest."""
    quotients = []
    for h in STEPS:
        quotients.append(_difference_quotient(probe, X, y, sample_weight, j, h))
        if abs(quotients[-1] - exact) <= 0.1 * bound:
            break
    return min(quotients, key=lambda quotient: abs(quotient - exact))


def _difference_quotient(probe, X, y, sample_weight, j, h):
    value = probe.params[j]
    h *= max(1.0, abs(value))
    probe.params[j] = value + h
    above, step_up = probe.loss(X, y, sample_weight), probe.params[j] - value
    probe.params[j] = value - h
    below, step_down = probe.loss(X, y, sample_weight), value - probe.params[j]
    probe.params[j] = value
    return (above - below) / (step_up + step_down)


def _named_parts(net):
    """(name, slice of the flat vector, shape) of each layer's coefs, then intercepts."""
    parts, start = [], 0
    for kind, arrays in (("coefs", net.coefs), ("intercepts", net.intercepts)):
        for layer, array in enumerate(arrays):
            parts.append((f"{kind}[{layer}]", slice(start, start + array.size), array.shape))
            start += array.size
    for name, array in net.front_params.items():
        parts.append((f"front {name}", slice(start, start + array.size), array.shape))
        start += array.size
    return parts


def _layer_check(name, analytic, numeric, shape, scale):
    scale = max(scale, np.max(np.abs(numeric)))
    errors = np.abs(analytic - numeric) / (scale or 1.0)
    errors[np.isnan(errors)] = np.inf
    worst = int(np.argmax(errors))
    return LayerCheck(
        name,
        float(errors[worst]),
        tuple(map(int, np.unravel_index(worst, shape))),
        float(analytic[worst]),
        float(numeric[worst]),
    )
