"""BaseBackprop: what classifier and regressor are to scikit-learn.

Parameters, fit and initialize, coefs_ and intercepts_, outputs, transform, pickling, repr, tags.
What a fit does stands in fits.py. It asks the subclasses for

    _problem(y)                what y poses: targets, output, settings of the network, score
    _incremental_problem(y)    the same in partial_fit
    _problem_of_stream(y)      the same in fit_batches, after _known_classes
    _scoring()                 how validation samples are scored
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.utils.validation import check_is_fitted, validate_data

from .callbacks import CallbackSupportMixin
from .checks import as_kernel_matrix, check_storage, plain_array_of
from .fits import fit_arrays, initialize_network
from .layer_arrays import LayerArrays, assign_layers
from .network import Network
from .parameters import check_parameters, defaults_of
from .sklearn_types import HintedParameters, InheritedMethods, fits
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
    HintedParameters,
    InheritedMethods,
    CallbackSupportMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    BaseEstimator,
):
    """What classifier and regressor share."""

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
        fit_arrays(self, (X, y, sample_weight), (X_val, y_val, sample_weight_val))
        return self

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
        initialize_network(self, X, y, coefs, intercepts)
        return self

    def _fit_batches(self, batches, validation, buffer_rows, classes=None):
        """fit on a stream, whose code is imported where it is needed."""
        from .stream_fits import fit_stream

        fit_stream(self, batches, validation, buffer_rows, classes)
        return self

    def _scoring(self) -> Scoring:
        """What scores the validation samples; None: ``score``."""
        return self.scoring

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
