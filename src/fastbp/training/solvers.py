"""The solvers: one record each, by the names that users give.

A record says how a solver is called (``solve(run)``, see run.py), in which precision it works, what
it requires, and which parameters it ignores. In its runs these have a neutral value, whatever the
user gave: ``settings`` puts it there once, before anything is drawn or computed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np

from . import lbfgs, levenberg_marquardt, stochastic
from .run import Run
from .state import TrainingState

# Parameters, with the values that make them ineffective.
OF_BATCHES: dict[str, Any] = {
    "batch_size": None,  # all samples
    "shuffle": False,
    "dropout": 0.0,
    "input_dropout": 0.0,
    "max_grad_norm": None,
    "weight_decay": 0.0,
    "learning_rate": "constant",
    "learning_rate_factors": None,
    "decay_rate": 1.0,
    "warmup_epochs": 0,
}
OF_STEPS: dict[str, Any] = {"learning_rate_init": 1.0}
OF_SGD: dict[str, Any] = {"momentum": 0.0, "nesterovs_momentum": False, "power_t": 0.0}
OF_ADAM: dict[str, Any] = {"beta_1": 0.0, "beta_2": 0.0, "epsilon": 0.0}
OF_LBFGS: dict[str, Any] = {"max_fun": np.inf}
OF_STOPPING: dict[str, Any] = {
    "early_stopping": False,
    "validation_fraction": 0.0,
    "n_iter_no_change": np.inf,
}

# As in scikit-learn, these schedules are for sgd alone.
SCHEDULES_OF_SGD = ("invscaling", "adaptive")


def _draws_nothing(state: TrainingState, settings: SimpleNamespace, goes_on: bool) -> None:
    pass


def _requires_nothing(settings: Any, n_params: int, n_outputs: int) -> None:
    pass


@dataclass(frozen=True)
class Solver:
    """What is known of a solver.

    Attributes
    ----------
    solve : callable
        ``solve(run)`` moves the parameters and the state of a Run.
    begin : callable
        ``begin(state, settings, goes_on)`` prepares the state before the validation split is drawn;
        `goes_on` says that ``partial_fit`` continues a run.
    is_full_batch : bool
        Whether it takes all samples at once, and counts iterations, not epochs.
    ignores : mapping of str to object
        Parameters without effect, and the values that stand for them.
    ignored_schedules : tuple of str
        Values of ``learning_rate`` that mean 'constant'.
    is_incremental : bool
        Whether ``partial_fit`` exists.
    needs_every_row : bool
        Whether it reads more of the data than J and its gradient, and so is not for data that are
        divided among workers.
    dtype : numpy dtype or None
        The precision that it works in; None: that of the data.
    require : callable
        ``require(settings, n_params, n_outputs)`` raises ValueError for what it cannot minimise.
    """

    solve: Callable[[Run], None]
    begin: Callable[[TrainingState, SimpleNamespace, bool], None] = _draws_nothing
    is_full_batch: bool = False
    ignores: Mapping[str, Any] = field(default_factory=dict)
    ignored_schedules: tuple[str, ...] = ()
    is_incremental: bool = False
    needs_every_row: bool = False
    dtype: type[np.floating[Any]] | None = None
    require: Callable[[Any, int, int], None] = _requires_nothing

    @property
    def counts(self) -> str:
        """What ``n_iter_`` and the curves count."""
        return "iteration" if self.is_full_batch else "epoch"

    def settings(self, parameters: dict[str, Any]) -> SimpleNamespace:
        """A user's parameters as a run reads them: attributes, neutral where they are ignored."""
        settings = SimpleNamespace(**{**parameters, **self.ignores})
        if settings.learning_rate in self.ignored_schedules:
            settings.learning_rate = "constant"
        return settings


SOLVERS: dict[str, Solver] = {
    "sgd": Solver(
        solve=stochastic.solve,
        begin=stochastic.begin,
        ignores={**OF_ADAM, **OF_LBFGS},
        is_incremental=True,
    ),
    "adam": Solver(
        solve=stochastic.solve,
        begin=stochastic.begin,
        ignores={**OF_SGD, **OF_LBFGS},
        ignored_schedules=SCHEDULES_OF_SGD,
        is_incremental=True,
    ),
    # Signs of the gradient are all that rprop reads: it needs that of all samples, and clipping
    # would change nothing.
    "rprop": Solver(
        solve=stochastic.solve,
        begin=stochastic.begin,
        ignores={**OF_BATCHES, **OF_SGD, **OF_ADAM, **OF_LBFGS},
    ),
    # In float32 the line search would stop early.
    "lbfgs": Solver(
        solve=lbfgs.solve,
        is_full_batch=True,
        ignores={**OF_BATCHES, **OF_STEPS, **OF_SGD, **OF_ADAM, **OF_STOPPING},
        dtype=np.float64,
    ),
    # In float32 its equations would be singular.
    "levenberg_marquardt": Solver(
        solve=levenberg_marquardt.solve,
        is_full_batch=True,
        ignores={**OF_BATCHES, **OF_STEPS, **OF_SGD, **OF_ADAM, **OF_LBFGS},
        needs_every_row=True,
        dtype=np.float64,
        require=levenberg_marquardt.require,
    ),
}
