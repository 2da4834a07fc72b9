"""The objective: which losses and outputs there are, and which of them fit together.

One record a loss (LOSSES) and one an output (OUTPUTS), by the names that users give. The checks,
their messages, the defaults of the estimators and the tables of the guide all follow them. How a
loss and an output are computed is said in _kernels/losses.pxd, which has the same names.

A user's own loss, an object with the methods ``loss`` and ``gradient``, fits every output, and its
targets may be anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from .checks import as_number
from .data import Targets
from .near_names import hint
from .types import FloatArray, UserLoss


@dataclass(frozen=True)
class Range:
    """The numbers from lowest to highest, both included unless `above_lowest`."""

    lowest: float = -np.inf
    highest: float = np.inf
    above_lowest: bool = False

    def first_outside(self, values: FloatArray) -> float | None:
        """The first of `values` that is not in this range; None if all are."""
        outside = (values <= self.lowest) if self.above_lowest else (values < self.lowest)
        outside |= values > self.highest
        return values[outside][0] if outside.any() else None

    def __str__(self) -> str:
        if self.highest < np.inf:
            return f"between {self.lowest:g} and {self.highest:g}"
        return f"{'>' if self.above_lowest else '>='} {self.lowest:g}"


ANY, UNIT = Range(), Range(0, 1)
NOT_NEGATIVE, POSITIVE = Range(0), Range(0, above_lowest=True)

NO_PROBABILITIES = "its outputs are not probabilities"
MAY_BE_NEGATIVE = "its outputs may be negative"
NOT_ANY_NUMBERS = "its outputs are not any numbers, as means and the logarithm of a variance are"


@dataclass(frozen=True)
class Output:
    """What is known of an output activation.

    Attributes
    ----------
    range : Range
        What it can reach. The estimators refuse other targets.
    gives_probabilities : bool
        Whether label smoothing has a meaning, and classifiers have ``predict_proba``.
    """

    range: Range = ANY
    gives_probabilities: bool = False


@dataclass(frozen=True)
class Loss:
    """What is known of a loss.

    Attributes
    ----------
    targets : Range
        Where the loss is defined.
    undefined_for : mapping of str to str
        Outputs at whose values the loss is undefined, each with the reason.
    default_output : str
        The regressor's ``output_activation="auto"``.
    of_classes, of_numbers : bool
        Whether the classifier, and the regressor, has it.
    is_smoothed : bool
        Whether label smoothing has a meaning.
    n_extra : int
        Outputs without a target: the last ones.
    best_constant : str
        The weighted statistic of y that minimises the loss of a prediction that is the same for
        all samples: 'mean', 'median' (which for huber comes close), 'quantile' (of the network) or
        'mean and variance'; empty where none is known.
    """

    targets: Range = ANY
    undefined_for: Mapping[str, str] = field(default_factory=dict)
    default_output: str = "identity"
    of_classes: bool = False
    of_numbers: bool = True
    is_smoothed: bool = False
    n_extra: int = 0
    best_constant: str = ""


OUTPUTS = {
    "identity": Output(),
    "logistic": Output(UNIT, gives_probabilities=True),
    "softmax": Output(UNIT, gives_probabilities=True),
    "exp": Output(NOT_NEGATIVE),
    "increasing": Output(),
}

LOSSES = {
    "squared_error": Loss(of_classes=True, is_smoothed=True, best_constant="mean"),
    "log_loss": Loss(
        targets=UNIT,
        undefined_for=dict.fromkeys(("identity", "exp", "increasing"), NO_PROBABILITIES),
        default_output="logistic",
        of_classes=True,
        of_numbers=False,
        is_smoothed=True,
        best_constant="mean",
    ),
    "poisson": Loss(
        targets=NOT_NEGATIVE,
        undefined_for=dict.fromkeys(("identity", "increasing"), MAY_BE_NEGATIVE),
        default_output="exp",
        best_constant="mean",
    ),
    "absolute_error": Loss(best_constant="median"),
    "huber": Loss(best_constant="median"),
    "gamma": Loss(
        targets=POSITIVE,
        undefined_for=dict.fromkeys(("identity", "increasing"), MAY_BE_NEGATIVE),
        default_output="exp",
        best_constant="mean",
    ),
    "quantile": Loss(best_constant="quantile"),
    "gaussian": Loss(
        undefined_for=dict.fromkeys(("logistic", "softmax", "exp", "increasing"), NOT_ANY_NUMBERS),
        n_extra=1,
        best_constant="mean and variance",
    ),
}

USER_LOSS_RECORD = Loss(of_classes=True)


def loss_record(loss: str | UserLoss) -> Loss:
    """The record of a named loss, or of a user's own."""
    return LOSSES[loss] if isinstance(loss, str) else USER_LOSS_RECORD


def as_loss(loss: Any) -> str | UserLoss:
    """The loss, checked: a name, or an object with the methods of a loss."""
    is_name = isinstance(loss, str) or loss is None
    if is_name and loss in LOSSES:
        return loss
    names = ", ".join(map(repr, LOSSES))
    if is_name:
        raise ValueError(f"loss={loss!r} is not one of {names}.{hint(loss, LOSSES)}")
    methods = (getattr(loss, method, None) for method in ("loss", "gradient"))
    if isinstance(loss, type) or not all(map(callable, methods)):
        raise TypeError(
            f"loss={loss!r} is neither one of {names} nor an instance of a class with the methods "
            "loss(y, outputs) and gradient(y, outputs)."
        )
    return loss


def check_pair(loss: str | UserLoss, output_activation: str) -> None:
    """ValueError for a loss that is undefined at an output's values."""
    undefined_for = loss_record(loss).undefined_for
    if output_activation in undefined_for:
        fitting = " or ".join(repr(output) for output in OUTPUTS if output not in undefined_for)
        raise ValueError(
            f"loss={loss!r} is undefined for output_activation={output_activation!r}: "
            f"{undefined_for[output_activation]}; use {fitting}."
        )


def check_n_outputs(loss: str | UserLoss, n_outputs: int) -> None:
    """ValueError where all outputs are such as have no target."""
    n_extra = loss_record(loss).n_extra
    if n_outputs <= n_extra:
        raise ValueError(
            f"loss={loss!r} needs {n_extra} output more than there are targets, the logarithm of "
            f"the variance; the network has {n_outputs}."
        )


def check_smoothing(label_smoothing: float, loss: str | UserLoss, output_activation: str) -> None:
    """ValueError where label smoothing has no meaning."""
    record, output = loss_record(loss), OUTPUTS[output_activation]
    if label_smoothing and not (record.is_smoothed and output.gives_probabilities):
        losses = sorted(repr(name) for name, one in LOSSES.items() if one.is_smoothed)
        outputs = sorted(repr(name) for name, one in OUTPUTS.items() if one.gives_probabilities)
        raise ValueError(
            f"label_smoothing={label_smoothing:g} needs loss={' or '.join(losses)} and "
            f"output_activation={' or '.join(outputs)}, got loss={loss!r} and "
            f"output_activation={output_activation!r}; set label_smoothing=0."
        )


def check_targets(
    targets: Targets, loss: str | UserLoss, output_activation: str | None = None
) -> None:
    """ValueError where a loss is undefined at a target, or the output, if given, cannot reach it.

    `targets` are Targets; class labels always pass.
    """
    if targets.values is None:
        return
    _check_within(loss_record(loss).targets, targets.values, f"loss={loss!r}")
    if output_activation is not None:
        what = f"output_activation={output_activation!r}"
        _check_within(OUTPUTS[output_activation].range, targets.values, what)


def _check_within(allowed, values, what):
    if allowed is ANY:
        return
    wrong = allowed.first_outside(values)
    if wrong is not None:
        raise ValueError(f"{what} needs targets {allowed}; y has the value {wrong}.")


def default_output(loss: str | UserLoss, n_quantiles: int = 1) -> str:
    """The regressor's output for a loss, and for one or several quantiles."""
    return "increasing" if n_quantiles > 1 else loss_record(loss).default_output


def as_quantiles(quantile: Any) -> float | tuple[float, ...]:
    """A float in (0, 1), or a tuple of increasing ones."""
    if not np.iterable(quantile):
        return as_number("quantile", quantile, lowest=0, included=False, below=1)
    quantiles = tuple(
        as_number(f"quantile[{k}]", value, lowest=0, included=False, below=1)
        for k, value in enumerate(quantile)
    )
    if not quantiles or any(one >= next_one for one, next_one in pairwise(quantiles)):
        raise ValueError(
            f"quantile={list(quantiles)} must name one or more quantiles in increasing order."
        )
    return quantiles


def quantiles_of_outputs(quantile: float | tuple[float, ...], n_outputs: int) -> tuple[float, ...]:
    """The quantile of each output, from what as_quantiles returns."""
    if not isinstance(quantile, tuple):
        return (quantile,) * n_outputs
    if len(quantile) != n_outputs:
        raise ValueError(
            f"quantile={list(quantile)} has {len(quantile)} entries for {n_outputs} outputs; one "
            "per output is needed, or a single number."
        )
    return quantile


def penalty_factors(alpha: float, l1_ratio: float, weight_sum: float) -> dict[str, float]:
    """The factors of the penalties for samples of that total weight, as Network takes them."""
    return {"l2": alpha * (1 - l1_ratio) / (2 * weight_sum), "l1": alpha * l1_ratio / weight_sum}
