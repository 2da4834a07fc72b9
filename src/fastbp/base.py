"""BaseBackprop: how an estimator is fitted, whatever its targets are.

Enter a user's parameters, X, y and sample_weight; leaves a fitted estimator with the attributes
of scikit-learn's MLP. What happens in between:

    fit, partial_fit    parameters and arrays are checked, targets encoded (by the subclass)
    _begin              a Network and a TrainingState, new or copies of the fitted ones
    _train...           one of the solvers of fastbp.training moves the copies
    _finish             the copies become the fitted attributes

A fit that fails leaves the estimator as it was.
"""

import copy
import inspect
import warnings
from contextlib import contextmanager
from functools import cache
from numbers import Integral, Real
from types import SimpleNamespace

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    _fit_context,
    is_classifier,
    is_regressor,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import check_scoring, get_scorer_names
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    Options,
    StrOptions,
    validate_parameter_constraints,
)
from sklearn.utils.validation import check_is_fitted, validate_data

from . import _kernels
from .callbacks import CallbackSupportMixin, FitTask, begin_fit
from .inputs import (
    DataSet,
    as_kernel_matrix,
    as_layer_sizes,
    as_weights,
    check_storage,
    is_kernel_matrix,
    is_plain_target,
)
from .network import Network, as_hidden_activations, check_pair
from .representation import LayersReprMixin
from .training import FULL_BATCH_SOLVERS, lbfgs, levenberg_marquardt
from .training.monitor import Monitor
from .training.schedules import SCHEDULES
from .training.state import TrainingState
from .training.stochastic import StochasticSettings, train
from .training.threads import choose_n_threads
from .training.validation import Validation

INCREMENTAL_SOLVERS = ("sgd", "adam")
USER_LOSS = HasMethods(["loss", "gradient"])


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
    if estimator.solver not in INCREMENTAL_SOLVERS:
        raise AttributeError(
            "partial_fit is only available for stochastic optimizers. "
            f"{estimator.solver} is not stochastic."
        )
    return True


@cache
def _defaults_of(cls):
    """The defaults of our own constructor: a user's subclass may have others."""
    own = next(one for one in cls.__mro__ if BaseBackprop in one.__bases__)
    parameters = inspect.signature(own.__init__).parameters
    return {name: one.default for name, one in parameters.items() if name != "self"}


class BaseBackprop(
    LayersReprMixin,
    CallbackSupportMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    BaseEstimator,
):
    """What classifier and regressor share. Subclasses encode targets and decode outputs."""

    _parameter_constraints: dict = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(set(_kernels.core.ACTIVATIONS)), list, tuple],
        "solver": [StrOptions({*FULL_BATCH_SOLVERS, *_kernels.core.OPTIMIZERS})],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "l1_ratio": [Interval(Real, 0, 1, closed="both")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "input_dropout": [Interval(Real, 0, 1, closed="left")],
        "max_grad_norm": [None, Interval(Real, 0, None, closed="neither")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate": [StrOptions(set(SCHEDULES)), callable],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "power_t": [Interval(Real, 0, None, closed="left")],
        "decay_rate": [Interval(Real, 0, 1, closed="right")],
        "warmup_epochs": [Interval(Real, 0, None, closed="left")],
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
        "scoring": [None, StrOptions({"loss", *get_scorer_names()}), callable],
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "n_iter_no_change": [
            Interval(Integral, 1, None, closed="left"),
            Options(Real, {np.inf}),
        ],
        "max_fun": [Interval(Integral, 1, None, closed="left")],
        "max_time": [None, Interval(Real, 0, None, closed="neither")],
        "fit_intercept": ["boolean"],
        "n_threads": [None, Interval(Integral, 1, None, closed="left")],
    }

    def _keep(self, parameters):
        """Take the arguments of __init__, its locals(), as attributes, as scikit-learn wants it."""
        for name, value in parameters.items():
            if name not in ("self", "__class__"):
                setattr(self, name, value)

    def _validate_params(self):
        """scikit-learn's check of the parameters, of those that are not the defaults.

        Checking all of them would take a fifth of a small fit.
        """
        defaults = _defaults_of(type(self))
        changed = {
            name: value
            for name, value in self.get_params(deep=False).items()
            if name not in defaults or value is not defaults[name]
        }
        validate_parameter_constraints(
            self._parameter_constraints, changed, caller_name=type(self).__name__
        )

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None, *, X_val=None, y_val=None, sample_weight_val=None):
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
            would set aside. Their loss and score are recorded without early stopping, too.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            For data or parameters that cannot be used, and when the weights diverge. The
            estimator is then as it was before.
        """
        context = begin_fit(self, max_epochs=self.max_iter)
        with unchanged_on_error(self):
            go_on = self.warm_start and hasattr(self, "network_")
            validation = (X_val, y_val, sample_weight_val)
            return self._fit(X, y, sample_weight, validation, go_on=go_on, context=context)

    @_fit_context(prefer_skip_nested_validation=True)
    def initialize(self, X, y, *, coefs=None, intercepts=None):
        """Build the network for X and y without training it.

        The estimator can then predict. ``partial_fit``, and ``fit`` with ``warm_start=True``, go
        on from here.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            All classes must occur in it.
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
        with unchanged_on_error(self):
            data, output_activation = self._checked_data(X, y, None, go_on=False)
            random_state = check_random_state(self.random_state)
            network, state = self._begin(data, output_activation, random_state, go_on=False)
            _set_initial("coefs", network.coefs, coefs)
            _set_initial("intercepts", _shown_intercepts(network), intercepts)
            self._finish(network, state)
            return self

    def _fit(
        self,
        X,
        y,
        sample_weight,
        validation,
        *,
        go_on,
        incremental=False,
        classes=None,
        context=None,
    ):
        data, output_activation = self._checked_data(
            X, y, sample_weight, go_on=go_on, incremental=incremental, classes=classes
        )
        held_out = self._checked_validation(data, output_activation, *validation)
        random_state = check_random_state(self.random_state)
        network, state = self._begin(data, output_activation, random_state, go_on=go_on)
        task = None
        if context is not None:
            task = FitTask(
                self,
                context,
                X,
                y,
                sample_weight,
                lambda: self._fitted_attributes(network._changed(), state.copy()),
            )
        after_epoch = None if task is None else task.end_epoch
        if self.solver in FULL_BATCH_SOLVERS:
            self._train_full_batch(network, state, data, held_out, random_state, after_epoch)
        else:
            self._train(network, state, data, held_out, random_state, incremental, after_epoch)
        self._finish(network, state)
        if task is not None:
            task.end()
        return self

    def _checked_data(self, X, y, sample_weight, *, go_on, incremental=False, classes=None):
        """The DataSet to train on, and the output activation that it asks for."""
        dtypes = (self.network_.dtype,) if go_on else (np.float64, np.float32)
        X, y = self._checked_arrays(X, y, dtypes, reset=not go_on)
        weights = as_weights(sample_weight, X.shape[0], X.dtype)
        targets, output_activation = self._encode(
            y, X.dtype, go_on=go_on, incremental=incremental, classes=classes
        )
        weights = self._with_class_weights(y, weights, X.dtype, incremental=incremental)
        return DataSet(X, y, targets, weights), output_activation

    def _checked_arrays(self, X, y, dtypes, *, reset):
        check_storage(X)
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
            # A fifth of a small fit, where there is nothing that it could find.
            skip_check_array=is_kernel_matrix(X, dtypes) and is_plain_target(y, len(X)),
        )
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        return as_kernel_matrix(X, X.dtype), y

    def _checked_validation(self, data, output_activation, X_val, y_val, sample_weight_val):
        """The DataSet that the user validates on, or None."""
        if X_val is None and y_val is None:
            if sample_weight_val is not None:
                raise ValueError("sample_weight_val was given without X_val and y_val.")
            return None
        if X_val is None or y_val is None:
            missing, given = ("X_val", "y_val") if X_val is None else ("y_val", "X_val")
            raise ValueError(f"{given} was given without {missing}; validation needs both.")
        X, y = self._checked_arrays(X_val, y_val, (data.X.dtype,), reset=False)
        targets = self._encode_validation(y, output_activation, data.X.dtype)
        if targets.n_outputs != data.targets.n_outputs:
            raise ValueError(
                f"y_val has {targets.n_outputs} columns, y has {data.targets.n_outputs}."
            )
        weights = as_weights(sample_weight_val, X.shape[0], X.dtype, "sample_weight_val")
        weights = self._with_class_weights(y, weights, X.dtype, validates=True)
        return DataSet(X, y, targets, weights)

    def _with_class_weights(self, y, weights, dtype, *, incremental=False, validates=False):
        """Weights of the samples; the classifier multiplies them by those of the classes."""
        return weights

    def _checked_hidden_layer_sizes(self):
        sizes = self.hidden_layer_sizes
        return as_layer_sizes(sizes if np.iterable(sizes) else [sizes], "hidden_layer_sizes")

    def _loss_settings(self):
        """Parameters of the loss that are the subclass's own, as Network takes them."""
        return {}

    def _begin(self, data, output_activation, random_state, *, go_on):
        """The network and the state to train: new ones, or copies of the fitted ones."""
        hidden_layer_sizes = self._checked_hidden_layer_sizes()
        layer_sizes = [data.X.shape[1], *hidden_layer_sizes, data.targets.n_outputs]
        settings = {
            "activation": self.activation,
            "output_activation": output_activation,
            "loss": self.loss,
            "fit_intercept": bool(self.fit_intercept),
            **self._penalties(data),
            **self._loss_settings(),
        }
        self._check_solver(layer_sizes, output_activation)
        if not go_on:
            network = Network(
                layer_sizes, dtype=data.X.dtype, random_state=random_state, **settings
            )
            rate = float(self.learning_rate_init)
            return network, TrainingState.begin(network.n_params, data.X.dtype, rate)
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
        return fitted._changed(**settings), self._training_state.copy()

    def _penalties(self, data):
        """Factors of the penalties in the objective of all samples, as Network takes them."""
        n = len(data) if data.weights is None else data.weights.sum(dtype=np.float64)
        return {
            "l2": self.alpha * (1 - self.l1_ratio) / (2 * n),
            "l1": self.alpha * self.l1_ratio / n,
        }

    def _check_solver(self, layer_sizes, output_activation):
        """ValueError where the solver cannot minimise the objective."""
        as_hidden_activations(self.activation, len(layer_sizes) - 2)
        check_pair(self.loss, output_activation)
        if self.solver != "levenberg_marquardt":
            return
        if self.loss != "squared_error" or (self.alpha and self.l1_ratio):
            raise ValueError(
                "solver='levenberg_marquardt' minimises squares: it needs loss='squared_error' "
                f"and l1_ratio=0, got loss={self.loss!r} and l1_ratio={self.l1_ratio}."
            )
        fans = zip(layer_sizes, layer_sizes[1:], strict=False)
        n_params = sum((fan_in + bool(self.fit_intercept)) * fan_out for fan_in, fan_out in fans)
        levenberg_marquardt.check_size(n_params, layer_sizes[-1])

    def _train(self, network, state, data, held_out, random_state, incremental, after_epoch):
        n_moments = _kernels.core.N_MOMENTS[self.solver]
        restarts = not incremental or len(state.moments) != n_moments
        if restarts:
            state.restart_optimizer(n_moments, float(self.learning_rate_init))
        if (self.dropout or self.input_dropout) and (restarts or not state.dropout_seed):
            state.dropout_seed = int(random_state.randint(1, 2**31 - 1))
        order = np.arange(len(data), dtype=np.intp)
        if self.early_stopping and held_out is None:
            if incremental:
                raise ValueError("partial_fit does not support early_stopping=True")
            order, held_out = self._split(data, random_state)
        early_stopping = self.early_stopping and not incremental
        if held_out is not None or not incremental:
            state.begin_curves(held_out is not None)
        state.choose_watched(early_stopping)
        train(
            network,
            data.kernel_samples(),
            order,
            state,
            self._settings(network, len(order), early_stopping),
            random_state,
            validation=self._validation(network, state, held_out),
            after_epoch=after_epoch,
            max_epochs=1 if incremental else None,
        )

    def _split(self, data, random_state):
        """Indices of the training samples, and the validation samples.

        Stratified as scikit-learn's MLP does it.
        """
        n_samples, weights = len(data), data.weights
        binary = data.targets.n_outputs == 1 and is_classifier(self)
        order, held_out = train_test_split(
            np.arange(n_samples),
            random_state=random_state,
            test_size=self.validation_fraction,
            stratify=data.targets.values if binary else None,
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
        return order, data.rows(held_out)

    def _validation(self, network, state, held_out):
        """The Validation of a network as it is trained; None without samples."""
        if held_out is None:
            return None
        if self.scoring is None:

            def score(outputs, loss):
                return self._score_outputs(outputs, held_out.targets, held_out.weights)

        elif self.scoring == "loss":

            def score(outputs, loss):
                return -loss

        else:
            probe = copy.copy(self)
            vars(probe).update(self._fitted_attributes(network, state))
            # the samples are arrays without names by now
            vars(probe).pop("feature_names_in_", None)
            scorer = check_scoring(probe, self.scoring)
            weighted = {}
            if held_out.weights is not None and _takes_weights(scorer):
                weighted = {"sample_weight": held_out.weights}

            def score(outputs, loss):
                return float(scorer(probe, held_out.X, held_out.y, **weighted))

        return Validation(network, held_out, score)

    def _settings(self, network, n_samples, early_stopping):
        """The stochastic solvers' settings for a network and so many training samples."""
        batch_size = self.batch_size
        if self.solver == "rprop":
            batch_size = n_samples
        elif batch_size == "auto":
            batch_size = min(200, n_samples)
        elif batch_size > n_samples:
            _warn_clipped(batch_size, n_samples)
            batch_size = n_samples
        flops = 6.0 * network.n_params
        n_threads = choose_n_threads(self.n_threads, flops * batch_size, flops * n_samples)
        chosen = {
            "batch_size": int(batch_size),
            "shuffle": self.shuffle and self.solver != "rprop",
            "early_stopping": early_stopping,
            "n_threads": n_threads,
            "threads_may_shrink": self.n_threads is None,
        }
        if self.solver == "rprop":
            chosen |= {"dropout": 0.0, "input_dropout": 0.0, "weight_decay": 0.0}
        taken_over = set(StochasticSettings.__dataclass_fields__) - set(chosen)
        return StochasticSettings(**chosen, **{name: getattr(self, name) for name in taken_over})

    def _train_full_batch(self, network, state, data, held_out, random_state, after_epoch):
        # Both work in float64: in float32 the line search of L-BFGS would stop early, and
        # Levenberg-Marquardt's equations be singular.
        early_stopping = self.early_stopping and self.solver == "levenberg_marquardt"
        if early_stopping and held_out is None:
            order, held_out = self._split(data, random_state)
            data = data.rows(order)
        double = network._changed(dtype=np.dtype(np.float64), **self._penalties(data))
        data = data.astype(np.float64)
        held_out = None if held_out is None else held_out.astype(np.float64)
        state.begin_curves(held_out is not None)
        state.choose_watched(early_stopping)
        state.n_iter, n_before = 0, len(state.loss_curve)
        settings = SimpleNamespace(
            tol=self.tol,
            n_iter_no_change=self.n_iter_no_change,
            early_stopping=early_stopping,
            max_time=self.max_time,
            verbose=self.verbose,
        )
        validation = self._validation(double, state, held_out)
        monitor = Monitor(double, state, settings, validation, after_epoch)

        def after_iteration(loss):
            network.params = double.params  # which is what callbacks are shown
            return monitor.after_iteration(loss)

        minimize = self._minimize_lbfgs if self.solver == "lbfgs" else self._minimize_lm
        loss = minimize(double, data, after_iteration)
        if len(state.loss_curve) == n_before:
            state.loss_curve.append(loss)
        monitor.restore_best()
        if not early_stopping:
            state.best_loss = min(state.best_loss, loss)
        network.params = double.params

    def _minimize_lbfgs(self, network, data, after_iteration):
        flops = 6.0 * network.n_params * len(data)
        return lbfgs.minimize(
            network,
            data.kernel_samples(),
            max_iter=self.max_iter,
            max_fun=self.max_fun,
            tol=self.tol,
            after_iteration=after_iteration,
            n_threads=choose_n_threads(self.n_threads, flops, flops),
            may_shrink=self.n_threads is None,
        )

    def _minimize_lm(self, network, data, after_iteration):
        try:
            found = levenberg_marquardt.minimize(
                network,
                data.X,
                data.targets,
                data.weights,
                max_iter=self.max_iter,
                tol=self.tol,
                after_iteration=after_iteration,
                n_threads=self.n_threads,
            )
        except KeyboardInterrupt:
            warnings.warn("Training interrupted by user.", stacklevel=2)
            return np.nan
        if not found.converged:
            warnings.warn(found.message, ConvergenceWarning, stacklevel=2)
        return found.loss

    def _finish(self, network, state):
        vars(self).update(self._fitted_attributes(network, state))

    def _fitted_attributes(self, network, state):
        return {
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
    def coefs_(self):
        """Weight matrices, a tuple of views of ``network_.params``."""
        return self._fitted_network("coefs_").coefs

    @property
    def intercepts_(self):
        """Intercept vectors; views of ``network_.params``, or zeros with fit_intercept=False."""
        return _shown_intercepts(self._fitted_network("intercepts_"))

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
        check_storage(X)
        dtype = self.network_.dtype
        X = validate_data(self, X, accept_sparse="csr", dtype=dtype, order="C", reset=False)
        return self.network_._outputs(as_kernel_matrix(X, dtype))

    def transform(self, X):
        """Activations of the last hidden layer, as features for another estimator.

        They are what the output layer is given: without hidden layers, X itself.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray or sparse matrix of shape (n_samples, n_units)
        """
        check_is_fitted(self)
        check_storage(X)
        dtype = self.network_.dtype
        X = validate_data(self, X, accept_sparse="csr", dtype=dtype, order="C", reset=False)
        return self.network_.activations(X)[-2]

    @property
    def _n_features_out(self):
        # scikit-learn's get_feature_names_out counts with it
        return self.network_.layer_sizes[-2]

    @classmethod
    @cache
    def _get_param_names(cls):
        # inspects the signature of __init__ at every call, and every fit calls it
        return super()._get_param_names()

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _takes_weights(scorer):
    parameters = inspect.signature(scorer).parameters.values()
    return any(one.name == "sample_weight" or one.kind is one.VAR_KEYWORD for one in parameters)


def _shown_intercepts(network):
    """Views of a network's intercepts; zeros, read-only, where it has none."""
    if network.fit_intercept:
        return network.intercepts
    zeros = [np.zeros(size, dtype=network.dtype) for size in network.layer_sizes[1:]]
    for array in zeros:
        array.flags.writeable = False
    return tuple(zeros)


def _set_initial(name, arrays, given):
    """Write the initial values that a user has given into the network's views."""
    if given is None:
        return
    if len(given) != len(arrays):
        raise ValueError(
            f"{name} holds {len(given)} arrays; this network has {len(arrays)} layers of them."
        )
    for layer, (array, values) in enumerate(zip(arrays, given, strict=True)):
        values = np.asarray(values, dtype=array.dtype)
        if values.shape != array.shape:
            raise ValueError(f"{name}[{layer}] has shape {values.shape}; {array.shape} is needed.")
        if not np.isfinite(values).all():
            raise ValueError(f"{name}[{layer}] contains NaN or infinity.")
        if array.flags.writeable:
            array[...] = values
        elif values.any():
            raise ValueError(
                f"{name}[{layer}] is not zero, but fit_intercept=False; leave intercepts out."
            )


def _warn_clipped(batch_size, n_samples):
    warnings.warn(
        "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped "
        f"(batch_size={batch_size}, {n_samples} training samples).",
        stacklevel=2,
    )
