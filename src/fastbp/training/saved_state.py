"""A TrainingState as numbers and arrays for a file, and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..archives import ModelFileError, from_json, to_json
from ..types import Array
from .state import CURVES, TrainingState

# name: (types, whether None is possible)
OF_ANY_SOLVER: dict[str, tuple[type, bool]] = {
    "learning_rate": (float, False),
    "n_steps": (float, False),
    "n_epochs": (int, False),
    "dropout_seed": (int, False),
    "n_iter": (int, False),
    "n_samples_seen": (int, False),
    "best_loss": (float, True),
    "best_validation_score": (float, True),
    "n_epochs_without_improvement": (int, False),
}
# None with other solvers; missing in files from before there was that solver.
OF_ONE_SOLVER: dict[str, tuple[type, bool]] = {"damping": (float, True)}
NUMBERS = OF_ANY_SOLVER | OF_ONE_SOLVER


def numbers_of(state: TrainingState) -> dict[str, Any]:
    """The numbers, for the header of an archive."""
    return {name: to_json(getattr(state, name)) for name in NUMBERS}


def arrays_of(state: TrainingState) -> dict[str, Array]:
    """The arrays, by their names in an archive; those that the state lacks are left out."""
    arrays: dict[str, Array | None] = {"moments": state.moments, "best_params": state.best_params}
    arrays |= {
        name: None if getattr(state, name) is None else np.array(getattr(state, name), np.float64)
        for name in CURVES
    }
    return {name: array for name, array in arrays.items() if array is not None}


def read_state(numbers: Any, arrays: dict[str, Array], n_params: int, dtype: Any) -> TrainingState:
    """A TrainingState of an archive's numbers and arrays, which are taken from `arrays`."""
    if not (isinstance(numbers, dict) and set(OF_ANY_SOLVER) <= set(numbers) <= set(NUMBERS)):
        raise ModelFileError(f"its training state must have the numbers {list(NUMBERS)}.")
    numbers = dict.fromkeys(OF_ONE_SOLVER) | numbers
    values: dict[str, Any] = {name: _number(name, from_json(one)) for name, one in numbers.items()}
    for name in CURVES:
        curve = arrays.pop(name, None)
        if curve is not None and (curve.ndim != 1 or curve.dtype != np.float64):
            raise ModelFileError(f"{name} has shape {curve.shape} and dtype {curve.dtype}.")
        values[name] = None if curve is None else curve.tolist()
    if values["loss_curve"] is None:
        raise ModelFileError("loss_curve is missing.")
    best_params: Any = arrays.pop("best_params", None)
    if best_params is not None:
        # a solver that works in float64 keeps them so
        expected = best_params.dtype if best_params.dtype == np.float64 else dtype
        check_array("best_params", best_params, (n_params,), expected)
    moments: Any = arrays.pop("moments", None)
    n_moments = len(moments) if moments is not None and moments.ndim == 2 else 0
    check_array("moments", moments, (n_moments, n_params), dtype)
    return TrainingState(moments=moments, best_params=best_params, **values)


def _number(name, value):
    kind, may_be_none = NUMBERS[name]
    if value is None and may_be_none:
        return None
    if kind is float and type(value) in (int, float):
        return float(value)
    if kind is int and type(value) is int and 0 <= value < 2**63:
        return value
    raise ModelFileError(f"{name}={str(value)[:40]} is not a number that a training state has.")


def check_array(name: str, array: Array | None, shape: tuple[int, ...], dtype: Any) -> None:
    """ModelFileError unless an array is there, of that shape and dtype, and finite."""
    if array is None:
        raise ModelFileError(f"{name} is missing.")
    if array.shape != shape or array.dtype != dtype:
        raise ModelFileError(
            f"{name} has shape {array.shape} and dtype {array.dtype}; {shape} and {dtype} are "
            "needed."
        )
    if not np.isfinite(array).all():
        raise ModelFileError(f"{name} has numbers that are not finite.")
