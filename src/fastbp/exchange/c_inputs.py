"""What stands before a network, in C: a scaler.

Takes a fitted StandardScaler or RobustSmoothScaler; returns tables, and lines that compute the
inputs of a network. As in Python, the arithmetic is in double whatever the type of x is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from ..tables.scaling import BOUND, SATURATED, RobustSmoothScaler
from ..types import FloatArray
from .c_text import array, literal


@dataclass(frozen=True)
class Scaling:
    """(x - center) / scale, or smooth_clip of it.

    Attributes
    ----------
    center, scale : ndarray of shape (n_features,), or None
        None: nothing is subtracted, nothing is divided by. A scale of 0: the result is 0.
    is_smooth : bool
    """

    center: FloatArray | None
    scale: FloatArray | None
    is_smooth: bool

    def tables(self, name: str) -> list[str]:
        """Definitions of constants."""
        lines = []
        if self.center is not None:
            lines += array(f"static const double {name}_center", self.center, "double")
        if self.scale is not None:
            lines += array(f"static const double {name}_scale", self.scale, "double")
        return lines

    @property
    def constants(self) -> int:
        """Bytes of the tables."""
        return sum(one.nbytes for one in (self.center, self.scale) if one is not None)

    def functions(self, name: str) -> list[str]:
        """Functions that `lines` calls."""
        return [*smooth_clip(name), ""] if self.is_smooth else []

    def lines(self, name: str, ctype: str, n_features: int, source: str, target: str) -> list[str]:
        """Statements that fill target[:n_features]."""
        value = f"{source}[j]"
        if ctype == "float":
            value = f"(double){value}"
        if self.is_smooth:
            value = f"{name}_smooth_clip(({value} - {name}_center[j]) / {name}_scale[j])"
        else:
            if self.center is not None:
                value = f"{value} - {name}_center[j]"
            if self.center is not None and self.scale is not None:
                # the difference is an entry of an array of x's type
                value = f"(double)(float)({value})" if ctype == "float" else f"({value})"
            if self.scale is not None:
                value = f"{value} / {name}_scale[j]"
        if ctype == "float":
            value = f"(float)({value})"
        return [
            "    /* the scaler */",
            f"    for (j = 0; j < {n_features}; j++)",
            f"        {target}[j] = {value};",
        ]


def smooth_clip(name: str) -> list[str]:
    """The function NAME_smooth_clip."""
    most, bound = literal(SATURATED, "double"), literal(BOUND, "double")
    return [
        "/* z / sqrt(1 + (z / 3)^2) */",
        f"static double {name}_smooth_clip(double z)",
        "{",
        f"    z = z > {most} ? {most} : z < -{most} ? -{most} : z;",
        f"    return z / sqrt(1 + (z / {bound}) * (z / {bound}));",
        "}",
    ]


def read_scaler(scaler: Any) -> Scaling | None:
    """The Scaling of a fitted scaler; None for one that changes nothing, or is none that is known."""
    check_is_fitted(scaler)
    if isinstance(scaler, RobustSmoothScaler):
        return Scaling(scaler.center_, np.where(scaler.scale_ == 0, np.inf, scaler.scale_), True)
    return Scaling(
        scaler.mean_ if scaler.with_mean else None,
        scaler.scale_ if scaler.with_std else None,
        False,
    )


SCALERS = (StandardScaler, RobustSmoothScaler)
