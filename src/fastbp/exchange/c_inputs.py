"""A scaler before a network, in C.

Takes a fitted StandardScaler or RobustSmoothScaler; returns tables, and lines that compute the
inputs of a network. As in Python, the first computes in the type of x, the second in double.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from ..tables.scaling import BOUND, SATURATED, RobustSmoothScaler
from ..types import FloatArray
from .c_text import SIZES, array, literal

SCALERS = (StandardScaler, RobustSmoothScaler)


@dataclass(frozen=True)
class Scaling:
    """(x - center) / scale, or smooth_clip of it.

    Attributes
    ----------
    center, scale : ndarray of shape (n_features,), or None
        None: nothing is subtracted, nothing is divided by. A scale of inf: the result is 0.
    is_smooth : bool
    """

    center: FloatArray | None
    scale: FloatArray | None
    is_smooth: bool

    def tables(self, name: str, ctype: str) -> tuple[list[str], int]:
        """Definitions of constants, and their bytes."""
        kind = "double" if self.is_smooth else ctype
        lines, n_bytes = [], 0
        for what, values in (("center", self.center), ("scale", self.scale)):
            if values is not None:
                lines += array(f"static const {kind} {name}_{what}", values, kind)
                n_bytes += values.size * SIZES[kind]
        return lines, n_bytes

    def functions(self, name: str) -> list[str]:
        """Functions that `lines` calls."""
        return [*smooth_clip(name), ""] if self.is_smooth else []

    def lines(self, name: str, ctype: str, n_features: int, source: str, target: str) -> list[str]:
        """Statements that fill target[:n_features]."""
        value = f"{source}[j]"
        if self.is_smooth:
            value = smooth(name, f"(double){value}" if ctype == "float" else value, "j", ctype)
        elif self.center is not None and self.scale is not None:
            value = f"({value} - {name}_center[j]) / {name}_scale[j]"
        elif self.center is not None:
            value = f"{value} - {name}_center[j]"
        elif self.scale is not None:
            value = f"{value} / {name}_scale[j]"
        return [
            "    /* the scaler */",
            f"    for (j = 0; j < {n_features}; j++)",
            f"        {target}[j] = {value};",
        ]


def smooth(name: str, value: str, place: str, ctype: str) -> str:
    """The expression of a smoothly scaled number, of the type `ctype`."""
    scaled = f"({value} - {name}_center[{place}]) / {name}_scale[{place}]"
    return f"{'(float)' if ctype == 'float' else ''}{name}_smooth_clip({scaled})"


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


def read_scaler(scaler: Any, n_features: int) -> Scaling:
    """The Scaling of a fitted scaler before a network of so many inputs."""
    check_is_fitted(scaler)
    if scaler.n_features_in_ != n_features:
        raise ValueError(
            f"The {type(scaler).__name__} has {scaler.n_features_in_} features, and the network "
            f"after it {n_features} inputs."
        )
    if isinstance(scaler, RobustSmoothScaler):
        center, scale = scaler.center_, np.where(scaler.scale_ == 0, np.inf, scaler.scale_)
        return Scaling(np.nan_to_num(center), scale, True)
    return Scaling(
        scaler.mean_ if scaler.with_mean else None,
        scaler.scale_ if scaler.with_std else None,
        False,
    )
