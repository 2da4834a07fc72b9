"""BaseBackprop: how an estimator is fitted, whatever its targets are. scikit-learn glue only.

Takes a user's parameters, X, y and sample_weight; returns a fitted estimator with the attributes of
scikit-learn's MLP. On the way:

    _data           X, y and weights are checked, y becomes targets (the subclass's problem)
    _begin          a Network and a TrainingState, new or copies of the fitted ones
    begin_run       what a solver needs (training/run.py); train lets it work
    _finish         the copies become the fitted attributes

_fit_batches does the same with a Stream in place of the data (stream_fits.py).

A fit that fails leaves the estimator as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    is_regressor,
)
from sklearn.exceptions import DataConversionWarning, InconsistentVersionWarning
from sklearn.utils import column_or_1d
from sklearn.utils.validation import check_is_fitted, validate_data

from .callbacks import CallbackSupportMixin, FitTask, begin_fit
from .checks import (
    as_kernel_matrix,
    as_layer_sizes,
    as_weights,
    check_storage,
    check_unmasked,
    has_validation,
    is_kernel_matrix,
    is_plain_target,
    plain_array_of,
)
from .data import DataSet
from .front import as_front, check_dense
from .layer_arrays import LayerArrays, assign_layers
from .layout import Layout
from .near_names import hint_of_parameter
from .network import Network
from .objective import penalty_factors
from .parameters import check_parameters, defaults_of, parameters_of
from .random_states import random_source
from .scoring import fitted_copy, make_score
from .sklearn_types import InheritedMethods, fits
from .training import scales
from .training.checkpoints import Checkpoint, describe
from .training.run import begin_run, train
from .training.solvers import SOLVERS
from .training.state import TrainingState
from .types import (
    Activations,
    Array,
    ArrayLike,
    BatchSize,
    FloatArray,
    FrontName,
    LayerSizes,
    LearningRate,
    LearningRateFactors,
    MatrixLike,
    MaybeNone,
    MaybeSparse,
    Path,
    RandomState,
    Scoring,
    SolverName,
)
from .user_warnings import warn
from .versions import VERSION
from .whole_fits import whole_fit

if TYPE_CHECKING:
    from typing import Self


def has_incremental_solver(estimator: BaseBackprop) -> bool:
    solver = SOLVERS.get(estimator.solver)
    if solver is None or not solver.is_incremental:
        raise AttributeError(
            "partial_fit is only available for stochastic optimizers. "
            f"{estimator.solver} is not stochastic."
        )
    return True


class BaseBackprop(
    InheritedMethods,
    CallbackSupportMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    BaseEstimator,
):
    """What classifier and regressor share. A subclass says what problem its y poses (_problem)."""

    # The parameters. The subclasses have them in their constructors, and a few more.
    hidden_layer_sizes: int | LayerSizes
    activation: Activations
    solver: SolverName
    alpha: float
    l1_ratio: float
    weight_decay: float
    dropout: float
    input_dropout: float
    max_grad_norm: float | None
    batch_size: BatchSize
    learning_rate: LearningRate
    learning_rate_init: float
    learning_rate_factors: LearningRateFactors
    power_t: float
    decay_rate: float
    warmup_epochs: float
    max_iter: int
    max_time: float | None
    shuffle: bool
    random_state: RandomState
    tol: float
    verbose: bool | int
    warm_start: bool
    momentum: float
    nesterovs_momentum: bool
    early_stopping: bool
    validation_fraction: float
    scoring: Scoring
    beta_1: float
    beta_2: float
    epsilon: float
    n_iter_no_change: float
    max_fun: int
    fit_intercept: bool
    front: FrontName | None
    n_periodic: int | None
    n_threads: int | None
    checkpoint: Path | None
    checkpoint_interval: float
    loss: Any
    output_activation: Any

    # What fit leaves; the docstrings of the subclasses say what it means.
    network_: Network
    n_layers_: int
    n_outputs_: int
    out_activation_: str
    n_iter_: int
    t_: int
    loss_: float
    loss_curve_: list[float]
    best_loss_: float | MaybeNone
    validation_loss_curve_: list[float] | MaybeNone
    validation_scores_: list[float] | MaybeNone
    best_validation_score_: float | MaybeNone
    n_features_in_: int
    feature_names_in_: Array
    _training_state: TrainingState

    def _keep(self, parameters: dict[str, Any]) -> None:
        """Take the arguments of __init__, its locals(), as attributes, as scikit-learn wants it."""
        for name, value in parameters.items():
            if name not in ("self", "__class__"):
                setattr(self, name, value)

    def set_params(self, **params: Any) -> Self:
        """Set parameters, as every estimator does; an unknown name is answered with a near one.

        Parameters
        ----------
        **params : dict
            Parameters of the constructor.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            For an unknown name.
        """
        try:
            return super().set_params(**params)
        except ValueError as error:
            known = self._get_param_names()
            unknown = [name for name in params if name not in known]
            if not unknown:
                raise
            raise ValueError(f"{error}{hint_of_parameter(unknown[0], known)}") from None

    def _validate_params(self):
        check_parameters(self)

    @fits
    def fit(
        self,
        X: MatrixLike,
        y: MatrixLike,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: MatrixLike | None = None,
        y_val: MatrixLike | None = None,
        sample_weight_val: ArrayLike | None = None,
    ) -> Self:
        """Fit the network to X and y.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            The input data. float32 trains in float32, everything else in float64.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Class labels, a label indicator matrix, or real numbers.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights >= 0 of the samples; ones by default.
        X_val, y_val, sample_weight_val : arrays like the above, default=None
            Samples to validate on after each epoch, in place of those that ``early_stopping``
            would set aside. Their loss and score are recorded even without early stopping.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            For data or parameters that cannot be used, and when the weights diverge. The
            estimator is then as it was before. With ``early_stopping``, weights that diverge
            after a first epoch end the run with a ConvergenceWarning and the best weights.
        RuntimeError
            If a fit of this estimator has not ended: another thread's, or the one whose loss,
            scorer or callback calls this. That fit goes on.

        Notes
        -----
        Until ``fit`` returns, ``predict`` uses the network of the fit before. Arrays that need no
        conversion (C-contiguous float64 or float32) are read where they are: numbers that are
        written there meanwhile count from the next batch on.
        """
        context = begin_fit(self, max_epochs=self.max_iter)
        with whole_fit(self):
            goes_on = self.warm_start and hasattr(self, "network_")
            validation = (X_val, y_val, sample_weight_val)
            return self._fit(X, y, sample_weight, validation, context=context, goes_on=goes_on)

    def _fit_incrementally(self, X, y, sample_weight, validation, **how):
        earlier: Any = vars(self).get("_training_state")
        goes_on = earlier is not None
        self._fit(X, y, sample_weight, validation, goes_on=goes_on, is_incremental=True, **how)
        if goes_on:
            self._training_state.extend_curves(earlier, self._show_curves)
        return self

    def _show_curves(self, state):
        if self.n_iter_ == 0:  # interrupted at once
            self.loss_ = state.loss
        self.loss_curve_ = state.loss_curve
        self.validation_loss_curve_ = state.validation_loss_curve
        self.validation_scores_ = state.validation_scores

    @fits
    def initialize(
        self,
        X: MatrixLike,
        y: MatrixLike,
        *,
        coefs: Sequence[ArrayLike] | None = None,
        intercepts: Sequence[ArrayLike] | None = None,
    ) -> Self:
        """Build the network for X and y without training it.

        The estimator can then predict. ``partial_fit``, and ``fit`` with ``warm_start=True``,
        continue from here.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Must contain all classes.
        coefs : sequence of array-like of shape (fan_in, fan_out), default=None
            Initial weights of each layer, in the order of ``coefs_``; random by default.
        intercepts : sequence of array-like of shape (fan_out,), default=None
            Initial intercepts of each layer, in the order of ``intercepts_``.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            As in fit, and for initial weights of another number or shape. The estimator is then
            as it was before.
        """
        with whole_fit(self), random_source(self.random_state) as source:
            data, problem = self._data(X, y, None, goes_on=False)
            network, state = self._begin(data, problem, source, goes_on=False)
            if coefs is not None:
                assign_layers(network, "coefs", coefs, "coefs")
            if intercepts is not None:
                assign_layers(network, "intercepts", intercepts, "intercepts")
            return self._finish(network, state, problem)

    def _fit(self, X, y, sample_weight, validation, **how):
        with random_source(self.random_state) as source:
            return self._fit_with(source, X, y, sample_weight, validation, **how)

    def _fit_member(self, X, y, sample_weight, validation, split, after_epoch):
        """fit as a member of an ensemble, which has checked the parameters.

        split : (rows to train on, rows to validate on), or None where there is other validation
            X is not copied, but for the rows to validate on.
        after_epoch : callable
            Called with the TrainingState after each epoch; a true value ends the fit.
        """
        how = {"goes_on": False, "split": split, "after_epoch": after_epoch}
        with whole_fit(self):
            self._fit(X, y, sample_weight, validation, **how)
            # Members are not trained on: moments would be most of what they hold.
            self._training_state.moments = self._training_state.moments[:0].copy()

    def _fit_with(
        self,
        source,
        X,
        y,
        sample_weight,
        validation,
        *,
        goes_on,
        context=None,
        split=None,
        after_epoch=None,
        **how,
    ):
        data, problem = self._data(X, y, sample_weight, goes_on=goes_on, **how)
        held_out = self._validation_data(data, problem, *validation)
        self._train_on(
            data,
            problem,
            held_out,
            source,
            (X, y, sample_weight),
            goes_on=goes_on,
            context=context,
            split=split,
            after_epoch=after_epoch,
            **how,
        )
        return self

    def _fit_batches(self, batches, validation, buffer_rows, classes=None):
        """fit on a stream, whose code is imported where it is needed."""
        from .stream_fits import fit_stream

        return fit_stream(self, batches, validation, buffer_rows, classes)

    def _train_on(
        self,
        data,
        problem,
        held_out,
        source,
        arrays,
        *,
        goes_on,
        context=None,
        split=None,
        after_epoch=None,
        stream=None,
        **how,
    ):
        """Train and set the fitted attributes; returns what has ended the stream early, or None.

        arrays : X, y and sample_weight, as callbacks get them
        """
        checkpoint = None
        if self.checkpoint is not None and not how.get("is_incremental"):
            classes = problem.fitted_attributes.get("classes_")
            known_by = {
                "X": [data.X],
                "y": [*vars(data.targets).values(), classes],
                "sample_weight": [data.weights],
            }
            # of a stream these are its first rows
            more = {} if stream is None else {"buffer_rows": len(stream)}
            checkpoint = self._checkpoint(known_by, held_out, goes_on, source, **more)
        network, state = self._begin(data, problem, source, goes_on=goes_on, **how)

        def fitted_attributes():
            # in the estimator's precision, whatever the solver's is
            twin = network.copy()
            twin.params = run.network.params
            return self._fitted_attributes(twin, state.copy(), problem)

        def score_of(network, held_out):
            def probe():
                shown = state
                if how.get("is_incremental") and goes_on:
                    shown = state.copy()
                    vars(shown).update(self._training_state.copy().curves())
                return fitted_copy(self, self._fitted_attributes(network, shown, problem))

            return make_score(self._scoring(), probe, problem, held_out)

        def end_epoch():
            return after_epoch(state) if context is None else task.end_epoch()

        solver = SOLVERS[self.solver]
        run = begin_run(
            solver,
            network,
            data,
            held_out,
            state,
            solver.settings(parameters_of(self)),
            source,
            make_score=score_of,
            is_classifier=problem.is_classification,
            is_incremental=how.get("is_incremental", False),
            after_epoch=None if context is None and after_epoch is None else end_epoch,
            split=split,
        )
        run.checkpoint, run.stream = checkpoint, stream
        task: Any = None
        if context is not None:
            X, y, sample_weight = arrays
            task = FitTask(self, context, X, y, sample_weight, fitted_attributes)
        train(run)
        if run.network is not network:
            network.params = run.network.params
        if stream is not None:
            if state.n_iter > 0 and not stream.weight_sum_is_known:
                stream.read_rest()  # the checkpoint was that of a run that had come to its end
            factors = penalty_factors(self.alpha, self.l1_ratio, stream.weight_sum)
            network.l1, network.l2 = float(factors["l1"]), float(factors["l2"])
        self._finish(network, state, problem)
        if task is not None:
            task.end()
        return run.failure

    def _scoring(self) -> Scoring:
        """What scores the validation samples; None: ``score``."""
        return self.scoring

    def _checkpoint(self, arrays, held_out, goes_on, source, name=None, **more):
        """The Checkpoint of a run on some arrays; it knows the run by them and by all parameters.

        name : of the estimator that the user has, if it is another one
        more : what has an effect beside the estimator's parameters
        """
        before = "the network that warm_start continues from"
        arrays |= {"X_val": [None], before: [None]}
        if held_out is not None:
            arrays["X_val"] = [held_out.X, *vars(held_out.targets).values(), held_out.weights]
        if goes_on:
            arrays[before] = [self.network_.params, self._training_state.moments]
        parameters = {**parameters_of(self), **more}
        description = describe(name or type(self).__name__, parameters, arrays)
        path: Any = self.checkpoint
        return Checkpoint(path, self.checkpoint_interval, description, source)

    def _data(self, X, y, sample_weight, *, goes_on, **how):
        """The DataSet to train on, and the problem that its y poses."""
        dtypes = (self.network_.dtype,) if goes_on else (np.float64, np.float32)
        check_dense(X, self.front)
        X, y = self._checked_arrays(X, y, dtypes, reset=not goes_on)
        weights = as_weights(sample_weight, X.shape[0], X.dtype)
        problem = self._problem(y, goes_on=goes_on, **how)
        targets = problem.targets(y, X.dtype)
        return DataSet(X, y, targets, problem.weights(y, weights, X.dtype)), problem

    def _checked_arrays(self, X, y, dtypes, *, reset):
        is_plain = is_kernel_matrix(X, dtypes) and is_plain_target(y, len(X))
        if is_plain and reset:
            # scikit-learn's checks cost 10 % of a small fit, and would find nothing here.
            self.__dict__.pop("feature_names_in_", None)
            self.n_features_in_ = X.shape[1]
            return X, self._as_column(y)
        if (
            is_plain
            and X.shape[1] == self.n_features_in_
            and not hasattr(self, "feature_names_in_")
        ):
            return X, self._as_column(y)
        check_storage(X)
        check_unmasked(y, "y")
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse="csr",
            dtype=dtypes,
            order="C",
            multi_output=True,
            y_numeric=is_regressor(self),
            reset=reset,
            skip_check_array=is_plain,
        )
        return as_kernel_matrix(X, X.dtype), self._as_column(y)

    @staticmethod
    def _as_column(y):
        if y.ndim != 2 or y.shape[1] != 1:
            return y
        column = column_or_1d(y)
        # scikit-learn's own warning would point at scikit-learn
        warn(
            "A column-vector y was passed when a 1d array was expected. Please change the shape of "
            "y to (n_samples, ), for example using ravel().",
            DataConversionWarning,
        )
        return column

    def _validation_data(self, data, problem, X_val, y_val, sample_weight_val):
        """The DataSet that the user validates on, or None."""
        if not has_validation(X_val, y_val, sample_weight_val):
            return None
        try:
            X, y = self._checked_arrays(X_val, y_val, (data.X.dtype,), reset=False)
        except (TypeError, ValueError) as error:
            kind = ValueError if isinstance(error, ValueError) else TypeError
            raise kind(f"X_val and y_val cannot be used. {error}") from error
        difference = scales.difference(data.X, X)
        if difference:
            warn(f"X_val {difference}")
        targets = problem.targets(y, X.dtype, "y_val")
        if targets.n_outputs != data.targets.n_outputs:
            raise ValueError(
                f"y_val has {targets.n_outputs} columns, y has {data.targets.n_outputs}."
            )
        weights = as_weights(sample_weight_val, X.shape[0], X.dtype, "sample_weight_val")
        return DataSet(X, y, targets, problem.weights(y, weights, X.dtype))

    def _begin(self, data, problem, random_state, *, goes_on, is_incremental=False, **how):
        """The network and the state to train: new ones, or copies of the fitted ones."""
        sizes = self.hidden_layer_sizes
        hidden = as_layer_sizes(sizes if np.iterable(sizes) else [sizes], "hidden_layer_sizes")
        layer_sizes = [data.X.shape[1], *hidden, data.targets.n_outputs]
        settings = {
            "activation": self.activation,
            "output_activation": problem.output_activation,
            "loss": self.loss,
            "fit_intercept": bool(self.fit_intercept),
            "front": self.front,
            "n_periodic": self.n_periodic,
            **penalty_factors(self.alpha, self.l1_ratio, data.weight_sum),
            **problem.network_settings,
        }
        front = as_front(self.front, self.n_periodic, layer_sizes[0])
        layout = Layout(tuple(layer_sizes), bool(self.fit_intercept), front)
        SOLVERS[self.solver].require(self, layout.n_params, layer_sizes[-1])
        if not goes_on:
            network = Network(
                layer_sizes, dtype=data.X.dtype, random_state=random_state, **settings
            )
            rate = float(self.learning_rate_init)
            return network, TrainingState.begin(network.n_params, data.X.dtype, rate)
        fitted = self.network_
        wanted = {"layer_sizes": tuple(layer_sizes), **settings}
        for name in ("layer_sizes", "fit_intercept", "front", "n_periodic"):
            if getattr(fitted, name) != wanted[name]:
                what = "layer sizes " if name == "layer_sizes" else f"{name}="
                raise ValueError(
                    f"The fitted network has {what}{getattr(fitted, name)}; parameters and data "
                    f"now ask for {what}{wanted[name]}. Training can only go on with the same "
                    "network: use a new estimator, or fit with warm_start=False."
                )
        state = self._training_state.copy(with_curves=not is_incremental)
        return fitted.copy(**settings), state

    def _finish(self, network, state, problem):
        self.__dict__.update(self._fitted_attributes(network, state, problem))
        return self

    def _fitted_attributes(self, network, state, problem):
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

    @property
    def coefs_(self) -> LayerArrays:
        """Weight matrices, a list of views of ``network_.params``; can be assigned."""
        return LayerArrays(self._fitted_network("coefs_"), "coefs")

    @coefs_.setter
    def coefs_(self, arrays: Iterable[ArrayLike]) -> None:
        assign_layers(self._fitted_network("coefs_"), "coefs", arrays, "coefs_")

    @property
    def intercepts_(self) -> LayerArrays:
        """Intercept vectors, as ``coefs_``; zeros with fit_intercept=False."""
        return LayerArrays(self._fitted_network("intercepts_"), "intercepts")

    @intercepts_.setter
    def intercepts_(self, arrays: Iterable[ArrayLike]) -> None:
        network = self._fitted_network("intercepts_")
        assign_layers(network, "intercepts", arrays, "intercepts_")

    def _fitted_network(self, attribute):
        # AttributeError, so that hasattr and check_is_fitted see an unfitted estimator
        if "network_" not in vars(self):
            raise AttributeError(
                f"{type(self).__name__!r} object has no attribute {attribute!r}: it is not fitted"
            )
        return self.network_

    def _outputs(self, X):
        """Outputs of the fitted network for a user's X."""
        if "network_" in vars(self):
            # scikit-learn's checks take 130 us, and would find nothing in such an X.
            names = vars(self).get("feature_names_in_")
            array = X if names is None else plain_array_of(X, names)
            outputs = None if array is None else self.network_.try_forward(array, self.n_threads)
            if outputs is not None:
                return outputs
        X = self._checked_inputs(X)
        X = as_kernel_matrix(X, self.network_.dtype)
        return self.network_.forward_checked(X, self.n_threads)

    def _checked_inputs(self, X):
        check_is_fitted(self)
        check_storage(X)
        dtype = self.network_.dtype
        return validate_data(self, X, accept_sparse="csr", dtype=dtype, order="C", reset=False)

    def transform(self, X: MatrixLike) -> FloatArray | MaybeSparse:
        """Activations of the last hidden layer, as features for another estimator.

        They are the inputs of the output layer: without hidden layers, X itself.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray or sparse matrix of shape (n_samples, n_units)
        """
        X = self._checked_inputs(X)
        return self.network_.activations(X)[-2]

    def __getstate__(self) -> dict[str, Any]:
        state = {**super().__getstate__(), "_fastbp_version": VERSION}
        if "_training_state" in state:
            # A copy has curves of its own: partial_fit extends them in place.
            twin = state["_training_state"] = self._training_state.copy()
            for name, curve in self._training_state.curves().items():
                if state[f"{name}_"] is curve:
                    state[f"{name}_"] = getattr(twin, name)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        version = state.pop("_fastbp_version", VERSION)
        if version != VERSION:
            warn(
                InconsistentVersionWarning(
                    estimator_name=type(self).__name__,
                    current_sklearn_version=f"{VERSION} of fastbp",
                    original_sklearn_version=f"{version} of fastbp",
                )
            )
        # An older version lacked parameters that this one has: they have no effect by default.
        own_class: Any = type(self)
        super().__setstate__({**defaults_of(own_class), **state})

    def _html_repr(self):
        html = super()._html_repr()
        if "network_" not in vars(self):
            return html
        from .show.layers import with_layers

        return with_layers(html, self)

    @property
    def _n_features_out(self):
        # for scikit-learn's get_feature_names_out
        return self.network_.layer_sizes[-2]

    @classmethod
    @cache
    def _get_param_names(cls):
        # Uncached, this inspects the signature of __init__ at every call, and every fit calls it.
        return super()._get_param_names()

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
