"""The recipe of the tabular estimators: every number that users do not set, with its reason.

Takes what ``preset=`` says; returns a Preset. Nothing else in this folder has numbers of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from numbers import Integral
from typing import Any

from ..near_names import hint
from ..training.schedules import ends_of_waves
from ..types import Activations, FrontName, LearningRate, LearningRateFactors


@dataclass(frozen=True)
class Preset:
    """A recipe.

    "RealMLP" is Holzmueller, Grinsztajn and Steinwart, "Better by default: strong pre-tuned MLPs
    and boosted trees on tabular data", NeurIPS (2024), arXiv 2407.04491. "The study" compared such
    recipes over 18 public tables; differences below 3 % are noise there.

    Attributes
    ----------
    n_bins : int
        Bins of a piecewise-linear encoding that stands beside each scaled number; 0: none, since
        periodic features were as good on the development tables and cost less. Both are from
        Gorishniy, Rubachev and Babenko, "On embeddings for numerical features in tabular deep
        learning", NeurIPS (2022), arXiv 2203.05556, which finds that they close much of the gap to
        boosted trees.
    activation : str
        relu: parametric activations gained 1 % in the study, which is noise, and relu is fast.
    learning_rate : str
        coslog4 is RealMLP's schedule. Its rate falls to almost nothing four times, so that there
        are four good moments whose weights can be kept.
    learning_rate_init : float
        The rate at the top of a wave; the study's.
    beta_1, beta_2 : float
        Adam's. RealMLP's .95 in place of .999: the second moment follows the waves.
    weight_decay : float
        Times the learning rate of each layer, so that a step at the top of a wave takes about .1 %
        of the weights. Between RealMLP's, which is weaker, and the study's 1, which was meant for
        piecewise-linear columns; from .3 to 1 the development tables show no difference.
    dropout : float
        Of hidden units; RealMLP's. Schedules of dropout and decay gained nothing in the study.
    alpha : float
        No penalty: weight decay stands in its place (Loshchilov and Hutter, "Decoupled weight decay
        regularization", ICLR 2019).
    batch_size : int
        RealMLP's, for small tables as well. Smaller batches, for more steps an epoch, cost time and
        gained nothing on the development tables.
    front : {'scale', 'periodic'} or None
        A layer of few parameters before the first one: RealMLP's learned scale of all inputs, and
        its periodic features of the scaled numbers.
    learning_rate_factors : mapping or None
        Learning rates of groups of parameters. RealMLP's, in relation to that of weights with 256
        inputs: 'fan_in' for weights (its neural tangent parametrisation), 1.6 for intercepts, 96
        for scales. Its factor of periodic features is 1.6; here it is ten times as much, since
        there are a quarter as many epochs for the frequencies to move.
    n_folds : int
        Parts of the rows; each member of the ensemble keeps one of them out of its training.
    keeps_best_epoch : bool
        Whether a member ends with the weights of the epoch whose loss on its held-out rows is
        smallest, as in RealMLP. A loss is smoother than accuracy.
    ends_after_worse_wave : bool
        Whether a member ends when a wave of the learning rate is over and its smallest loss on
        held-out rows is above that of the waves before. A wave is twice as long as the one before
        it, so a network that overfits in one overfits more in the next. Early stopping within a
        wave would miss the good moment at its end.
    scales_target : bool
        Whether numbers are learned with mean 0 and standard deviation 1 (with a loss that has a log
        scale: with mean 1). Unscaled targets are the most frequent cause of poor networks.
    clips : bool
        Whether predicted numbers stay within the range that was seen in training, as in RealMLP:
        networks extrapolate without limit.
    """

    n_bins: int = 0
    activation: Activations = "relu"
    learning_rate: LearningRate = "coslog4"
    learning_rate_init: float = 3e-3
    beta_1: float = 0.9
    beta_2: float = 0.95
    weight_decay: float = 0.3
    dropout: float = 0.15
    alpha: float = 0.0
    batch_size: int = 256
    front: FrontName | None = "periodic"
    learning_rate_factors: LearningRateFactors = field(
        default_factory=lambda: {
            "coefs": "fan_in",
            "intercepts": 1.6,
            "scale": 96.0,
            "periodic": 16.0,
        }
    )
    n_folds: int = 5
    keeps_best_epoch: bool = True
    ends_after_worse_wave: bool = True
    scales_target: bool = True
    clips: bool = True

    def __post_init__(self) -> None:
        # the others are parameters of what they are passed on to, and are checked there
        for name, least in (("n_folds", 2), ("batch_size", 1)):
            value = getattr(self, name)
            if not isinstance(value, Integral) or value < least:
                raise ValueError(f"preset: {name}={value!r} must be a whole number >= {least}.")

    def encoder_parameters(self) -> dict[str, Any]:
        """Parameters of the TableEncoder."""
        return {"n_bins": self.n_bins}

    def member_parameters(self, n_training: int, n_numbers: int) -> dict[str, Any]:
        """Parameters of a network that trains on so many rows, whose first columns are numbers."""
        return {
            "activation": self.activation,
            "learning_rate": self.learning_rate,
            "learning_rate_init": self.learning_rate_init,
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "weight_decay": self.weight_decay,
            "dropout": self.dropout,
            "alpha": self.alpha,
            "batch_size": min(self.batch_size, n_training),
            "front": self.front,
            "n_periodic": n_numbers if self.front == "periodic" else None,
            "learning_rate_factors": self.learning_rate_factors,
            "early_stopping": self.keeps_best_epoch,
            "scoring": "loss",
            "n_iter_no_change": float("inf"),
        }

    def ends_of_waves(self, max_iter: int) -> list[int]:
        """Epochs in which a member may end, if a wave was worse than those before it."""
        has_waves = self.learning_rate == "coslog4" and self.keeps_best_epoch
        return ends_of_waves(max_iter) if has_waves and self.ends_after_worse_wave else []


DEFAULT = Preset()


def preset_of(given: Preset | Mapping[str, Any] | None) -> Preset:
    """The recipe that an estimator's ``preset`` asks for.

    Raises
    ------
    ValueError
        For a name that a Preset does not have.
    """
    if given is None:
        return DEFAULT
    if isinstance(given, Preset):
        return given
    names = {one.name for one in fields(Preset)}
    for name in given:
        if name not in names:
            raise ValueError(
                f"preset has {name!r}, which is not part of the recipe; its parts are "
                f"{', '.join(sorted(names))}.{hint(name, names)}"
            )
    return replace(DEFAULT, **given)
