"""Run: one fit, as a solver sees it; and what is the same for every solver.

    begin_run    the random draws, the validation split and the precision, in scikit-learn's order
    train        the solver at work; Ctrl-C keeps what has been reached, divergence the best epoch
    diverged     the error for weights or losses that are not finite

A solver is a function ``solve(run)``. It moves ``run.network.params``, which after each epoch or
iteration are those that the user would get, keeps ``run.state`` up to date, and reports to
``run.monitor``. A full-batch solver says in ``run.loss`` what J is at these parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from ..data import DataSet
from ..network import Network
from ..objective import penalty_factors
from ..types import FloatArray
from ..user_warnings import warn
from .monitor import Monitor
from .state import TrainingState
from .validation import Validation, split_off_validation
from .verdicts import complaint_about

if TYPE_CHECKING:
    from .._kernels.core_baseline import Samples
    from .checkpoints import Checkpoint
    from .solvers import Solver
    from .streams import Stream


@dataclass
class Run:
    """What a solver is given.

    Attributes
    ----------
    solver : Solver
    network : Network
        In the precision that the solver works in.
    data : DataSet
        Full-batch solvers train on all of it, the others on the rows ``state.order``.
    state : TrainingState
    settings : SimpleNamespace
        The user's parameters; those that the solver ignores are neutral.
    monitor : Monitor
    is_incremental : bool
        Whether this is one epoch of ``partial_fit``.
    loss : float or None
        J at the network's parameters; None from solvers whose curve says it.
    checkpoint : Checkpoint or None
    stream : Stream or None
        Where the data are the buffer of a stream: what gives the rounds of an epoch.
    failure : Exception or None
        What reading the stream has raised, after a whole epoch.
    complaint : str
        Why the solver has not converged; empty where it has.
    """

    solver: Solver
    network: Network
    data: DataSet
    state: TrainingState
    settings: SimpleNamespace
    monitor: Monitor
    is_incremental: bool = False
    loss: float | None = None
    checkpoint: Checkpoint | None = None
    stream: Stream | None = None
    failure: Exception | None = None
    complaint: str = ""

    @property
    def samples(self) -> Samples:
        """The data as the kernels read them, from the first use on: with indices of their own."""
        return self._samples if self.stream is None else self.stream.kernel_samples()

    @cached_property
    def _samples(self):
        return self.data.kernel_samples()

    def evaluator(self, *, l2: float) -> Any:
        """J of all samples, with this penalty: ``evaluate(params, grad)`` returns and fills."""
        return self.network.evaluator(self.samples, l2=l2, n_threads=self.settings.n_threads)

    def end_epoch(self) -> None:
        """To be called where the run could be cut off and resumed: after an epoch or iteration."""
        if self.checkpoint is not None:
            self.checkpoint.end_epoch(self)


def begin_run(
    solver: Solver,
    network: Network,
    data: DataSet,
    held_out: DataSet | None,
    state: TrainingState,
    settings: SimpleNamespace,
    random_state: np.random.RandomState,
    *,
    make_score: Callable[[Network, DataSet], Callable[[FloatArray, float], float]],
    is_classifier: bool,
    is_incremental: bool = False,
    after_epoch: Callable[[], bool] | None = None,
    split: tuple[NDArray[np.intp], NDArray[np.intp]] | None = None,
) -> Run:
    """The Run of a network and a state, both of which it moves.

    Parameters
    ----------
    solver : Solver
    network : Network
        Of the data's dtype, its penalties those of all data.
    data : DataSet
    held_out : DataSet or None
        The user's validation samples. None: with ``early_stopping`` some of the data.
    state : TrainingState
    settings : SimpleNamespace
        As Solver.settings returns it.
    random_state : numpy RandomState
        What is drawn from it is drawn in scikit-learn's order.
    make_score : callable (network, held_out) -> callable (outputs, loss) -> float
        How validation samples are scored.
    is_classifier : bool
        Whether the split of two classes is stratified.
    is_incremental : bool, default=False
    after_epoch : callable of no arguments, default=None
        Called at the end of each epoch or iteration; a true value ends the run.
    split : (rows to train on, rows to validate on), default=None
        For stochastic solvers; in place of a split that is drawn.

    Returns
    -------
    Run
        Its network is a copy where the solver works in another precision.
    """
    early_stopping = settings.early_stopping and not is_incremental
    state.begin_run(random_state, len(data))
    solver.begin(state, settings, is_incremental)
    measured_rows = None
    if split is not None:
        state.order, measured_rows = split[0].copy(), split[1]
        # members of an ensemble would have a copy of X each: it is for the user's scorers alone
        held_out = data.rows(measured_rows, with_X=settings.scoring not in (None, "loss"))
    elif settings.early_stopping and held_out is None:
        if is_incremental:
            raise ValueError("partial_fit does not support early_stopping=True")
        state.order, held_out = split_off_validation(data, settings, random_state, is_classifier)
        data = data.rows(state.order) if solver.is_full_batch else data
    if solver.dtype is not None:
        factors = penalty_factors(settings.alpha, settings.l1_ratio, data.weight_sum)
        network = network.copy(dtype=solver.dtype, **factors)
        data = data.astype(solver.dtype)
        held_out = None if held_out is None else held_out.astype(solver.dtype)
    if held_out is not None or not is_incremental:
        state.begin_curves(held_out is not None)
    state.choose_watched(early_stopping)
    validation = None
    if held_out is not None:
        score = make_score(network, held_out)
        measured = held_out if measured_rows is None else data
        validation = Validation(network, measured, measured_rows, score, settings.n_threads)
    monitor = Monitor(network, state, settings, validation, after_epoch, early_stopping)
    return Run(solver, network, data, state, settings, monitor, is_incremental)


def train(run: Run, complaint_about: Callable[[Run], str] = complaint_about) -> None:
    """Let the solver work until it, the monitor or the user ends the run.

    `complaint_about` returns what to warn of at the end, or an empty string.
    """
    complaint = ""
    try:
        with _checkpointed(run) as is_finished:
            if not is_finished:
                _solve(run)
        run.monitor.restore_best()
        complaint = "" if is_finished else complaint_about(run)
    except KeyboardInterrupt:
        run.monitor.settle()
        warn("Training interrupted by user.")
    except OutOfTime as end:
        warn(str(end), ConvergenceWarning)
    if run.loss is not None:
        run.monitor.conclude(run.loss)
    run.monitor.restore_best()
    run.state.end_run()
    if complaint:
        warn(complaint, ConvergenceWarning)


def _solve(run):
    """The solver at work. A run that diverges ends with its best epoch, where it has one."""
    try:
        run.solver.solve(run)
    except DivergenceError as error:
        if not run.monitor.has_best:
            raise ValueError(str(error)) from None
        run.complaint = (
            f"{error} Training has ended, with the weights of the best validation score, "
            f"{run.state.best_validation_score:g}."
        )
        # neither weights nor moments of the last epoch are of any use
        run.monitor.restore_best()
        run.state.restart_optimizer(len(run.state.moments), run.state.learning_rate)


@contextmanager
def _checkpointed(run):
    """Resumes a run from its checkpoint, and saves where it ends; gives whether it has ended."""
    checkpoint = run.checkpoint
    if checkpoint is None:
        yield False
        return
    is_finished = checkpoint.restore(run)
    try:
        yield is_finished
    except BaseException:
        checkpoint.write()
        raise
    if not is_finished:
        checkpoint.take(run)
        checkpoint.write(is_finished=not run.monitor.was_ended)


class OutOfTime(Exception):  # noqa: N818
    """The first epoch of a stream has taken max_time, and may have no end; users see a warning."""


class DivergenceError(ValueError):
    """Weights or loss of a run are not finite; users see a ValueError, or a warning."""


def diverged(found: str, where: str, remedies: str = "") -> DivergenceError:
    """The error for a run whose weights or loss, as `found` says, are not finite.

    `where` names the epoch or iteration and the learning rate, `remedies` what to try besides
    scaling the data. The first two sentences are scikit-learn's.
    """
    return DivergenceError(
        f"Solver produced non-finite {found}. The input data may contain large values and need to "
        f"be preprocessed. This was in {where}. Scale X (StandardScaler) and, for regression, "
        f"y{remedies}."
    )
