"""The solvers over partitions, as training/solvers.py has them over one data set.

lbfgs, rprop, and sgd or adam with all samples in one batch are exact: one round gives J and its
gradient at the present parameters, as one data set would, and the step is done here. Otherwise sgd
and adam train for local epochs: in a round each partition begins with the same parameters and
moments, trains on its own samples, and what it ends with is averaged by the weights of the samples
(McDonald, Hall and Mann, "Distributed training strategies for the structured perceptron", NAACL
(2010); McMahan et al., "Communication-efficient learning of deep networks from decentralized
data", AISTATS (2017), where it is called federated averaging).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from ..network import Network
from ..training import solvers, stochastic
from ..training.rate_factors import groups_of
from ..training.run import Run
from ..training.scales import advice
from ..types import FloatArray
from .rounds import GradientMessage, Rounds, TrainingMessage, gradient_of, train_on

# What a Trainer reads, and what train_on does.
OF_TRAINERS = (
    "solver",
    "alpha",
    "l1_ratio",
    "weight_decay",
    "dropout",
    "input_dropout",
    "max_grad_norm",
    "batch_size",
    "shuffle",
    "learning_rate_init",
    "learning_rate_factors",
    "momentum",
    "nesterovs_momentum",
    "beta_1",
    "beta_2",
    "epsilon",
    "n_threads",
)


@dataclass
class SharedRun(Run):
    """A Run over partitions.

    Attributes
    ----------
    rounds : Rounds
    first : int
        A partition with samples.
    largest : int
        Samples of the largest partition.
    n_local_epochs : int
    seed : int
        Of all that is random in partitions.
    """

    rounds: Rounds = None  # type: ignore[assignment]
    first: int = 0
    largest: int = 0
    n_local_epochs: int = 1
    seed: int = 0

    def evaluator(self, *, l2: float, l1: float = 0.0) -> SharedEvaluator:
        return SharedEvaluator(self, l2, l1)


class SharedEvaluator:
    """J and its gradient over all partitions, in place of the kernels' Evaluator."""

    def __init__(self, run: SharedRun, l2: float, l1: float) -> None:
        self._run = run
        scale = run.network.loss_scale / run.data.weight_sum
        self._network: Network = run.network.copy(reduction="sum", loss_scale=scale, l2=l2, l1=l1)

    def evaluate(self, params: FloatArray, grad: FloatArray) -> float:
        """J at the parameters; grad (n_params,) becomes its gradient."""
        run, network = self._run, self._network.copy()
        network.params = params
        # a worker has several threads, which have a shard each
        n_threads = 1 if run.settings.n_threads is None else run.settings.n_threads
        message = GradientMessage(network, run.first, n_threads)
        total = run.rounds.total(gradient_of, message)
        grad[...] = total[1:]
        return float(total[0])


def is_exact(settings: Any, n_samples: int) -> bool:
    """Whether a round is J and its gradient, and not local epochs."""
    if settings.batch_size is None:  # rprop has no others
        return True
    return stochastic.largest_batch(settings.batch_size) >= n_samples


def solver_for(settings: SimpleNamespace, n_samples: int) -> solvers.Solver:
    """The Solver over partitions that parameters ask for.

    Raises
    ------
    ValueError
        For a solver, or a parameter, that partitions do not allow.
    """
    solver = solvers.SOLVERS[settings.solver]
    if solver.needs_every_row:
        raise ValueError(
            f"solver={settings.solver!r} needs the derivatives of all outputs in one place and is "
            "not available with Dask; use 'lbfgs'."
        )
    if solver.is_full_batch:
        return solver
    if not is_exact(settings, n_samples):
        return replace(solver, solve=solve_by_local_epochs)
    if settings.dropout or settings.input_dropout:
        raise ValueError(
            f"dropout needs batches of fewer than all {n_samples} samples with Dask; lower "
            f"batch_size={settings.batch_size!r}."
        )
    return replace(solver, solve=solve_exactly)


def solve_exactly(run: Any) -> None:
    """rprop, sgd or adam, all samples in one batch; run is a SharedRun."""
    network, state, settings = run.network, run.state, run.settings
    groups = groups_of(network, settings.learning_rate_factors)
    evaluator = run.evaluator(l2=network.l2, l1=network.l1)
    trainer = network.trainer(
        run.samples,  # never read: the gradient comes from the partitions
        state.moments,
        settings,
        batch_size=1,
        n_steps=state.n_steps,
        groups=groups,
    )
    grad = np.empty(network.n_params, network.dtype)

    def train_epoch(rates):
        loss = evaluator.evaluate(network.params, grad)
        trainer.learning_rate = rates
        trainer.step(grad)
        state.n_steps = trainer.n_steps
        _check_finite(run, loss, rates)
        return loss

    stochastic.run_epochs(
        run, train_epoch, groups, count_steps=lambda: 1, count_rows=lambda: run.data.n_samples
    )


def solve_by_local_epochs(run: Any) -> None:
    """sgd or adam, in batches: each epoch is a round of local epochs; run is a SharedRun."""
    network, state, settings = run.network, run.state, run.settings
    n_params, n_local_epochs = network.n_params, run.n_local_epochs
    for_workers = SimpleNamespace(**{name: getattr(settings, name) for name in OF_TRAINERS})
    batch_size = stochastic.largest_batch(settings.batch_size)

    def train_epoch(rates):
        message = TrainingMessage(
            network.copy(),
            state.moments.copy(),
            for_workers,
            state.n_steps,
            rates,
            run.seed,
            state.n_epochs,
            n_local_epochs,
            run.data.weight_sum,
        )
        loss, n_steps, *_ = total = run.rounds.total(train_on, message)
        network.params = total[2 : 2 + n_params]
        state.moments[...] = total[2 + n_params :].reshape(state.moments.shape)
        # partitions of different sizes take different numbers of steps
        state.n_steps = float(np.rint(n_steps))
        _check_finite(run, loss, rates)
        return float(loss)

    stochastic.run_epochs(
        run,
        train_epoch,
        groups_of(network, settings.learning_rate_factors),
        count_steps=lambda: -(-run.largest // min(batch_size, run.largest)),
        count_rows=lambda: run.data.n_samples * n_local_epochs,
    )


def _check_finite(run, loss, rates):
    finite_params = bool(np.isfinite(run.network.params).all())
    stochastic.check_finite(finite_params, loss, rates, run.state, run.settings)


def complaint_about(run: Run) -> str:
    """Why a run has not converged, and what to scale; or nothing."""
    if not run.complaint:
        return ""
    return f"{run.complaint}{advice(run.data, run.network.output_activation)}"
