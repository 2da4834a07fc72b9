"""BaseBackprop: how an estimator is fitted, whatever its targets are.

Enter a user's parameters, X, y and sample_weight; leaves a fitted estimator with the attributes
of scikit-learn's MLP. What happens in between:

    fit, partial_fit    parameters and arrays are checked, targets encoded (by the subclass)
    _begin              a Network and a TrainingState, new or copies of the fitted ones
    _train              one of the solvers of fastbp.training moves the copies
    _finish             the copies become the fitted attributes

A fit that fails leaves the estimator as it was.
"""

import warnings
from contextlib import contextmanager
from functools import cache
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, _fit_context, is_classifier, is_regressor
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from . import _kernels
from .inputs import (
    as_kernel_matrix,
    as_layer_sizes,
    as_weights,
    is_kernel_matrix,
    is_plain_target,
    kernel_samples,
)
from .network import Network, check_pair
from .training import lbfgs
from .training.state import TrainingState
from .training.stochastic import StochasticSettings, train
from .training.threads import choose_n_threads

STOCHASTIC_SOLVERS = tuple(_kernels.core.OPTIMIZERS)


@contextmanager
def unchanged_on_error(estimator):
    """Take back every attribute that was set before an exception."""
    before = vars(estimator).copy()
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise


def has_stochastic_solver(estimator):
    if estimator.solver not in STOCHASTIC_SOLVERS:
        raise AttributeError(
            "partial_fit is only available for stochastic optimizers. "
            f"{estimator.solver} is not stochastic."
        )
    return True


class BaseBackprop(BaseEstimator):
    """What classifier and regressor share. Subclasses encode targets and decode outputs."""

    _parameter_constraints: dict = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(set(_kernels.core.ACTIVATIONS))],
        "solver": [StrOptions({"lbfgs", *STOCHASTIC_SOLVERS})],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate": [StrOptions({"constant", "invscaling", "adaptive"})],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "power_t": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "momentum": [Interval(Real, 0, 1, closed="both")],
        "nesterovs_momentum": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "n_iter_no_change": [
            Interval(Integral, 1, None, closed="left"),
            Options(Real, {np.inf}),
        ],
        "max_fun": [Interval(Integral, 1, None, closed="left")],
        "fit_intercept": ["boolean"],
        "n_threads": [None, Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        hidden_layer_sizes,
        activation,
        output_activation,
        loss,
        solver,
        alpha,
        batch_size,
        learning_rate,
        learning_rate_init,
        power_t,
        max_iter,
        shuffle,
        random_state,
        tol,
        verbose,
        warm_start,
        momentum,
        nesterovs_momentum,
        early_stopping,
        validation_fraction,
        beta_1,
        beta_2,
        epsilon,
        n_iter_no_change,
        max_fun,
        fit_intercept,
        n_threads,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.output_activation = output_activation
        self.loss = loss
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.fit_intercept = fit_intercept
        self.n_threads = n_threads

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Fit the network to X and y.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            The input data. float32 trains in float32, everything else in float64.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Class labels, a label indicator matrix, or real numbers.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights >= 0 of the samples; ones by default.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            For data or parameters that cannot be used, and when the weights diverge. The
            estimator is then as it was before.
        """
        with unchanged_on_error(self):
            go_on = self.warm_start and hasattr(self, "network_")
            return self._fit(X, y, sample_weight, go_on=go_on)

    def _fit(self, X, y, sample_weight, *, go_on, incremental=False, classes=None):
        hidden_layer_sizes = self._checked_hidden_layer_sizes()
        dtypes = (self.network_.dtype,) if go_on else (np.float64, np.float32)
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse="csr",
            dtype=dtypes,
            order="C",
            multi_output=True,
            y_numeric=is_regressor(self),
            reset=not go_on,
            # A fifth of a small fit, where there is nothing that it could find.
            skip_check_array=is_kernel_matrix(X, dtypes) and is_plain_target(y, len(X)),
        )
        X = as_kernel_matrix(X, X.dtype)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        weights = as_weights(sample_weight, X.shape[0], X.dtype)
        targets, output_activation = self._encode(
            y, X.dtype, go_on=go_on, incremental=incremental, classes=classes
        )
        random_state = check_random_state(self.random_state)
        layer_sizes = [X.shape[1], *hidden_layer_sizes, targets.n_outputs]
        network, state = self._begin(
            layer_sizes, output_activation, X.dtype, random_state, go_on=go_on
        )
        total = X.shape[0] if weights is None else weights.sum(dtype=np.float64)
        network.l2 = self.alpha / (2 * total)
        if self.solver == "lbfgs":
            self._train_lbfgs(network, state, X, targets, weights)
        else:
            self._train(network, state, X, targets, weights, random_state, incremental)
        self._finish(network, state)
        return self

    def _checked_hidden_layer_sizes(self):
        sizes = self.hidden_layer_sizes
        return as_layer_sizes(sizes if np.iterable(sizes) else [sizes], "hidden_layer_sizes")

    def _begin(self, layer_sizes, output_activation, dtype, random_state, *, go_on):
        """The network and the state to train: new ones, or copies of the fitted ones."""
        settings = {
            "activation": self.activation,
            "output_activation": output_activation,
            "fit_intercept": bool(self.fit_intercept),
        }
        check_pair(self.loss, output_activation)
        if not go_on:
            network = Network(
                layer_sizes, loss=self.loss, dtype=dtype, random_state=random_state, **settings
            )
            rate = float(self.learning_rate_init)
            return network, TrainingState.begin(network.n_params, dtype, rate)
        fitted = self.network_
        if fitted.layer_sizes != tuple(layer_sizes) or (
            fitted.fit_intercept != settings["fit_intercept"]
        ):
            raise ValueError(
                f"The fitted network has layer sizes {list(fitted.layer_sizes)} and fit_intercept="
                f"{fitted.fit_intercept}; parameters and data now ask for {layer_sizes} and "
                f"fit_intercept={settings['fit_intercept']}. Training can only go on with the "
                "same network: use a new estimator, or fit with warm_start=False."
            )
        return fitted._changed(loss_name=self.loss, **settings), self._training_state.copy()

    def _train(self, network, state, X, targets, weights, random_state, incremental):
        n_moments = _kernels.core.N_MOMENTS[self.solver]
        if not incremental or len(state.moments) != n_moments:
            state.restart_optimizer(n_moments, float(self.learning_rate_init))
        state.choose_watched(self.early_stopping)
        order, score = np.arange(X.shape[0], dtype=np.intp), None
        if self.early_stopping:
            if incremental:
                raise ValueError("partial_fit does not support early_stopping=True")
            order, held_out = self._split(X.shape[0], targets, weights, random_state)
            X_val, targets_val = X[held_out], targets.rows(held_out)
            weights_val = None if weights is None else weights[held_out]

            def score():
                return self._score_outputs(network._outputs(X_val), targets_val, weights_val)

        train(
            network,
            kernel_samples(X, targets, weights),
            order,
            state,
            self._settings(network, len(order)),
            random_state,
            score=score,
            max_epochs=1 if incremental else None,
        )

    def _split(self, n_samples, targets, weights, random_state):
        """Indices of training and validation samples, stratified as scikit-learn's MLP does."""
        binary = targets.n_outputs == 1 and is_classifier(self)
        order, held_out = train_test_split(
            np.arange(n_samples),
            random_state=random_state,
            test_size=self.validation_fraction,
            stratify=targets.values if binary else None,
        )
        if len(held_out) < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' "
                f"(validation_fraction={self.validation_fraction} of {n_samples} samples are "
                f"{len(held_out)}) or the size of your dataset."
            )
        for side, rows in (("training", order), ("validation", held_out)):
            if weights is not None and not weights[rows].any():
                raise ValueError(
                    f"sample_weight is zero for all {len(rows)} samples of the {side} set that "
                    "early_stopping splits off; change validation_fraction or random_state, or "
                    "leave samples without weight out."
                )
        return order, held_out

    def _settings(self, network, n_samples):
        """The stochastic solvers' settings for a network and so many training samples."""
        batch_size = self.batch_size
        if batch_size == "auto":
            batch_size = min(200, n_samples)
        elif batch_size > n_samples:
            _warn_clipped(batch_size, n_samples)
            batch_size = n_samples
        flops = 6.0 * network.n_params
        n_threads = choose_n_threads(self.n_threads, flops * batch_size, flops * n_samples)
        taken_over = set(StochasticSettings.__dataclass_fields__) - {"batch_size", "n_threads"}
        return StochasticSettings(
            batch_size=int(batch_size),
            n_threads=n_threads,
            **{name: getattr(self, name) for name in taken_over},
        )

    def _train_lbfgs(self, network, state, X, targets, weights):
        # SciPy's L-BFGS works in float64; in float32 its line search would stop early.
        double = network._changed(dtype=np.dtype(np.float64))
        X, targets = X.astype(np.float64, copy=False), targets.astype(np.float64)
        if weights is not None:
            weights = weights.astype(np.float64, copy=False)
        flops = 6.0 * network.n_params * X.shape[0]
        curve, loss = lbfgs.minimize(
            double,
            kernel_samples(X, targets, weights),
            max_iter=self.max_iter,
            max_fun=self.max_fun,
            tol=self.tol,
            verbose=self.verbose,
            n_threads=choose_n_threads(self.n_threads, flops, flops),
        )
        network.params = double.params
        state.choose_watched(False)
        state.n_iter = len(curve)
        state.loss_curve += curve or [loss]
        state.best_loss = min(state.best_loss, loss)

    def _finish(self, network, state):
        self.network_ = network
        self._training_state = state
        self.n_layers_ = len(network.layer_sizes)
        self.n_outputs_ = network.layer_sizes[-1]
        self.out_activation_ = network.output_activation
        self.n_iter_ = state.n_iter
        self.t_ = state.n_samples_seen
        self.loss_ = state.loss
        self.loss_curve_ = state.loss_curve
        self.best_loss_ = state.best_loss
        self.validation_scores_ = state.validation_scores
        self.best_validation_score_ = state.best_validation_score

    @property
    def coefs_(self):
        """Weight matrices, a tuple of views of ``network_.params``."""
        return self._fitted_network("coefs_").coefs

    @property
    def intercepts_(self):
        """Intercept vectors; views of ``network_.params``, or zeros with fit_intercept=False."""
        network = self._fitted_network("intercepts_")
        if network.fit_intercept:
            return network.intercepts
        return tuple(np.zeros(size, dtype=network.dtype) for size in network.layer_sizes[1:])

    def _fitted_network(self, attribute):
        # AttributeError, so that hasattr and check_is_fitted see an unfitted estimator
        if "network_" not in vars(self):
            raise AttributeError(
                f"{type(self).__name__!r} object has no attribute {attribute!r}: it is not fitted"
            )
        return self.network_

    def _outputs(self, X):
        """Outputs of the fitted network for a user's X."""
        if "network_" in vars(self) and "feature_names_in_" not in vars(self):
            # scikit-learn's checks, 130 us, would pass on as it is what this takes
            outputs = self.network_._outputs_if_sound(X)
            if outputs is not None:
                return outputs
        check_is_fitted(self)
        dtype = self.network_.dtype
        X = validate_data(self, X, accept_sparse="csr", dtype=dtype, order="C", reset=False)
        return self.network_._outputs(as_kernel_matrix(X, dtype))

    @classmethod
    @cache
    def _get_param_names(cls):
        # inspects the signature of __init__ at every call, and every fit calls it
        return super()._get_param_names()

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _warn_clipped(batch_size, n_samples):
    warnings.warn(
        "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped "
        f"(batch_size={batch_size}, {n_samples} training samples).",
        stacklevel=2,
    )
