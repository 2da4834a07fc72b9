"""One fit, from the data to the fitted attributes.

A fit is the same steps, whatever it is for:

    (fit_data.py)      X, y and weights are checked, and y becomes targets
    open_checkpoint    the file of a run that was cut off
    begin              a Network and a TrainingState: new ones, or copies of the fitted ones
    begin_run          what a solver needs (training/run.py)
    train              the solver works
    finish             network and state become the fitted attributes

Fit holds what the steps share. The functions below it take them: fit_arrays, fit_incrementally and
fit_member train on arrays, initialize_network trains nothing. stream_fits.py takes the steps with a
Stream in place of a DataSet, dask/fits.py with partitions.

A fit that fails leaves the estimator as it was (whole_fits.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .callbacks import FitCallbacks
from .checks import as_layer_sizes
from .data import DataSet
from .fit_data import NO_ARRAYS, Arrays, training_data, validation_data
from .front import as_front
from .layer_arrays import assign_layers
from .layout import Layout
from .network import Network
from .objective import penalty_factors
from .parameters import parameters_of
from .random_states import random_source
from .scoring import fitted_copy, make_score
from .training.checkpoints import Checkpoint, describe
from .training.run import Run, begin_run, train
from .training.solvers import SOLVERS, Solver
from .training.state import TrainingState
from .training.verdicts import complaint_about
from .types import ArrayLike, MatrixLike
from .whole_fits import whole_fit

Split: TypeAlias = tuple[NDArray[np.intp], NDArray[np.intp]]


@dataclass
class Fit:
    """An estimator and what it is fitted to.

    Attributes
    ----------
    estimator : BackpropClassifier or BackpropRegressor
        Its parameters are read; its attributes are set by `finish`.
    data : DataSet
        Or what stands for one: a Stream, SharedData.
    problem : ClassificationProblem or RegressionProblem
        What y poses.
    held_out : DataSet or None
        What the user validates on.
    random_state : numpy RandomState
        What is drawn from it is drawn in scikit-learn's order.
    goes_on : bool
        Whether training continues from the fitted network.
    is_incremental : bool
        Whether this is one epoch of ``partial_fit``.
    checkpoint : Checkpoint or None
        From open_checkpoint.
    network, state : Network, TrainingState
        What is trained; from begin.
    """

    estimator: Any
    data: Any
    problem: Any
    held_out: DataSet | None
    random_state: np.random.RandomState
    goes_on: bool = False
    is_incremental: bool = False
    checkpoint: Checkpoint | None = None
    network: Network = field(init=False)
    state: TrainingState = field(init=False)

    # --- the steps, in their order ---

    def open_checkpoint(
        self,
        arrays: Mapping[str, Sequence[Any]] | None = None,
        name: str | None = None,
        **more: Any,
    ) -> None:
        """The file of this very run, if the user wants one; before anything is drawn.

        Parameters
        ----------
        arrays : dict of str to sequence, default=None
            What the data are known by, as users know it; None: the arrays of `data`.
        name : str, default=None
            Of the estimator that the user has, if it is another one.
        **more
            What has an effect beside the estimator's parameters.
        """
        estimator: Any = self.estimator
        if estimator.checkpoint is None:
            return
        arrays = self._arrays() if arrays is None else arrays
        description = describe(
            name or type(estimator).__name__,
            {**parameters_of(estimator), **more},
            {**arrays, **self._arrays_beside_the_data()},
        )
        self.checkpoint = Checkpoint(
            estimator.checkpoint, estimator.checkpoint_interval, description, self.random_state
        )

    def begin(self) -> None:
        """The network and the state to train: new ones, or copies of the fitted ones."""
        estimator, dtype = self.estimator, self.data.X.dtype
        layout, settings = self._layout(), self._network_settings()
        SOLVERS[estimator.solver].require(estimator, layout.n_params, layout.layer_sizes[-1])
        if self.goes_on:
            self._check_same_network({"layer_sizes": layout.layer_sizes, **settings})
            self.state = estimator._training_state.copy(with_curves=not self.is_incremental)
            self.network = estimator.network_.copy(**settings)
            return
        self.network = Network(
            layout.layer_sizes, dtype=dtype, random_state=self.random_state, **settings
        )
        rate = float(estimator.learning_rate_init)
        self.state = TrainingState.begin(self.network.n_params, dtype, rate)

    def begin_run(
        self,
        solver: Solver | None = None,
        *,
        after_epoch: Callable[[], bool] | None = None,
        split: Split | None = None,
    ) -> Run:
        """The Run that moves the network and the state; see training/run.py for the arguments.

        solver : default=None
            None: the estimator's.
        """
        solver = SOLVERS[self.estimator.solver] if solver is None else solver
        run = begin_run(
            solver,
            self.network,
            self.data,
            self.held_out,
            self.state,
            solver.settings(parameters_of(self.estimator)),
            self.random_state,
            make_score=self._make_score,
            is_classifier=self.problem.is_classification,
            is_incremental=self.is_incremental,
            after_epoch=after_epoch,
            split=split,
        )
        run.checkpoint = self.checkpoint
        return run

    def train(self, run: Run, complaint_about: Callable[[Run], str] = complaint_about) -> None:
        """The solver works; the network gets the parameters that it has found."""
        train(run, complaint_about)
        if run.network is not self.network:
            self.network.params = run.network.params

    def finish(self) -> None:
        """The estimator becomes a fitted one."""
        vars(self.estimator).update(fitted_attributes(self.network, self.state, self.problem))

    # --- what the steps need ---

    def attributes_in(self, run: Run) -> dict[str, Any]:
        """The fitted attributes that the estimator would get now, during a run; copies."""
        # in the estimator's precision, whatever the solver's is
        network = self.network.copy()
        network.params = run.network.params
        return fitted_attributes(network, self.state.copy(), self.problem)

    def _arrays(self):
        """What a checkpoint knows the data by."""
        classes = self.problem.fitted_attributes.get("classes_")
        return {
            "X": [self.data.X],
            "y": [*vars(self.data.targets).values(), classes],
            "sample_weight": [self.data.weights],
        }

    def _arrays_beside_the_data(self):
        """What else it is known by: the user's validation samples, and where training begins."""
        estimator, held_out = self.estimator, self.held_out
        validation: list[Any] = [None]
        before: list[Any] = [None]
        if held_out is not None:
            validation = [held_out.X, *vars(held_out.targets).values(), held_out.weights]
        if self.goes_on:
            before = [estimator.network_.params, estimator._training_state.moments]
        return {"X_val": validation, "the network that warm_start continues from": before}

    def _layout(self):
        """The sizes that the parameters and the data ask for."""
        estimator, n_features = self.estimator, self.data.X.shape[1]
        sizes = estimator.hidden_layer_sizes
        hidden = as_layer_sizes(sizes if np.iterable(sizes) else [sizes], "hidden_layer_sizes")
        front = as_front(estimator.front, estimator.n_periodic, n_features)
        layer_sizes = (n_features, *hidden, self.data.targets.n_outputs)
        return Layout(layer_sizes, bool(estimator.fit_intercept), front)

    def _network_settings(self):
        """The arguments of a Network beside sizes, dtype and random_state."""
        estimator = self.estimator
        return {
            "activation": estimator.activation,
            "output_activation": self.problem.output_activation,
            "loss": estimator.loss,
            "fit_intercept": bool(estimator.fit_intercept),
            "front": estimator.front,
            "n_periodic": estimator.n_periodic,
            **penalty_factors(estimator.alpha, estimator.l1_ratio, self.data.weight_sum),
            **self.problem.network_settings,
        }

    def _check_same_network(self, wanted):
        """ValueError where the fitted network has other parameters than those wanted."""
        fitted = self.estimator.network_
        for name in ("layer_sizes", "fit_intercept", "front", "n_periodic"):
            if getattr(fitted, name) != wanted[name]:
                what = "layer sizes " if name == "layer_sizes" else f"{name}="
                raise ValueError(
                    f"The fitted network has {what}{getattr(fitted, name)}; parameters and data "
                    f"now ask for {what}{wanted[name]}. Training can only go on with the same "
                    "network: use a new estimator, or fit with warm_start=False."
                )

    def _make_score(self, network, held_out):
        """How the solver's network is scored on the validation samples."""
        probe = partial(self._probe, network)
        return make_score(self.estimator._scoring(), probe, self.problem, held_out)

    def _probe(self, network):
        """An estimator like this one, fitted, whose network is the one in training."""
        state = self.state
        if self.is_incremental and self.goes_on:
            # with the curves of the calls before, which this call's state lacks
            state = state.copy()
            vars(state).update(self.estimator._training_state.copy().curves())
        return fitted_copy(self.estimator, fitted_attributes(network, state, self.problem))


def fitted_attributes(network: Network, state: TrainingState, problem: Any) -> dict[str, Any]:
    """All that makes an estimator a fitted one."""
    return {
        **problem.fitted_attributes,
        "network_": network,
        "_training_state": state,
        "n_layers_": len(network.layer_sizes),
        "n_outputs_": network.layer_sizes[-1],
        "out_activation_": network.output_activation,
        "n_iter_": state.n_iter,
        "t_": state.n_samples_seen,
        "loss_": state.loss,
        "loss_curve_": state.loss_curve,
        "best_loss_": state.best_loss,
        "validation_loss_curve_": state.validation_loss_curve,
        "validation_scores_": state.validation_scores,
        "best_validation_score_": state.best_validation_score,
    }


# --- fits to arrays ---


def fit_arrays(estimator: Any, arrays: Arrays, validation: Arrays) -> None:
    """``fit``: train on X, y and sample_weight, with the user's validation samples."""
    callbacks = FitCallbacks(estimator, max_epochs=estimator.max_iter)
    with whole_fit(estimator), random_source(estimator.random_state) as random_state:
        goes_on = continues(estimator)
        problem_of = partial(estimator._problem, goes_on=goes_on)
        fit = _fit_to(estimator, arrays, validation, random_state, problem_of, goes_on=goes_on)
        fit.open_checkpoint()
        fit.begin()
        run = fit.begin_run(after_epoch=callbacks.after_epoch)
        callbacks.begin(*arrays, partial(fit.attributes_in, run))
        fit.train(run)
        fit.finish()
        callbacks.end()


def fit_incrementally(
    estimator: Any, arrays: Arrays, validation: Arrays, classes: ArrayLike | None = None
) -> None:
    """``partial_fit``: one epoch, whose curves continue those of the calls before."""
    with whole_fit(estimator):
        earlier = vars(estimator).get("_training_state")
        problem_of = partial(estimator._incremental_problem, classes=classes)
        with random_source(estimator.random_state) as random_state:
            fit = _fit_to(
                estimator,
                arrays,
                validation,
                random_state,
                problem_of,
                goes_on=earlier is not None,
                is_incremental=True,
            )
            fit.begin()
            fit.train(fit.begin_run())
            fit.finish()
        if earlier is not None:
            fit.state.extend_curves(earlier, partial(_show_curves, estimator))


def _show_curves(estimator, state):
    if estimator.n_iter_ == 0:  # interrupted at once
        estimator.loss_ = state.loss
    estimator.loss_curve_ = state.loss_curve
    estimator.validation_loss_curve_ = state.validation_loss_curve
    estimator.validation_scores_ = state.validation_scores


def fit_member(
    member: Any,
    arrays: Arrays,
    validation: Arrays,
    split: Split | None,
    after_epoch: Callable[[TrainingState], bool],
) -> None:
    """``fit`` of a member of an ensemble, which has checked the parameters.

    split : (rows to train on, rows to validate on), or None where there is other validation
        X is not copied.
    after_epoch : callable
        Called with the TrainingState after each epoch; a true value ends the fit.
    """
    with whole_fit(member), random_source(member.random_state) as random_state:
        problem_of = partial(member._problem, goes_on=False)
        fit = _fit_to(member, arrays, validation, random_state, problem_of)
        fit.begin()
        fit.train(fit.begin_run(after_epoch=lambda: after_epoch(fit.state), split=split))
        # Members are not trained on: moments would be most of what they hold.
        fit.state.moments = fit.state.moments[:0].copy()
        fit.finish()


def initialize_network(
    estimator: Any,
    X: MatrixLike,
    y: MatrixLike,
    coefs: Sequence[ArrayLike] | None,
    intercepts: Sequence[ArrayLike] | None,
) -> None:
    """``initialize``: build the network for X and y without training it."""
    with whole_fit(estimator), random_source(estimator.random_state) as random_state:
        problem_of = partial(estimator._problem, goes_on=False)
        fit = _fit_to(estimator, (X, y, None), NO_ARRAYS, random_state, problem_of)
        fit.begin()
        if coefs is not None:
            assign_layers(fit.network, "coefs", coefs, "coefs")
        if intercepts is not None:
            assign_layers(fit.network, "intercepts", intercepts, "intercepts")
        fit.finish()


def continues(estimator: Any) -> bool:
    """Whether ``fit`` continues from the fitted network."""
    return estimator.warm_start and hasattr(estimator, "network_")


def _fit_to(
    estimator, arrays, validation, random_state, problem_of, *, goes_on=False, is_incremental=False
):
    """The Fit of arrays, checked; problem_of(y) returns the problem that a checked y poses."""
    data, problem = training_data(estimator, arrays, problem_of, goes_on=goes_on)
    held_out = validation_data(estimator, validation, data, problem)
    return Fit(
        estimator,
        data,
        problem,
        held_out,
        random_state,
        goes_on=goes_on,
        is_incremental=is_incremental,
    )
