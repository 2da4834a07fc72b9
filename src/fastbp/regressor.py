"""BackpropRegressor: scikit-learn's MLPRegressor, trained by the compiled core.

How it is fitted stands in fits.py. What is here is the regressor's own: its parameters, how numbers
become targets of the network, and what its predictions are made of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, overload

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import d2_pinball_score, r2_score

from . import parameters
from .base import BaseBackprop, has_incremental_solver
from .checks import as_targets
from .data import Targets
from .fits import fit_incrementally
from .objective import as_quantiles, check_targets, default_output, loss_record
from .parameters import defaults_of
from .sklearn_types import available_if, fits
from .types import (
    Activations,
    ArrayLike,
    Batches,
    BatchSize,
    FloatArray,
    FrontName,
    LayerSizes,
    LearningRate,
    LearningRateFactors,
    LossOfNumbers,
    MatrixLike,
    Path,
    Quantiles,
    RandomState,
    RegressorOutput,
    Scoring,
    SolverName,
    UserLoss,
)
from .user_warnings import warn

if TYPE_CHECKING:
    from typing import Self


class BackpropRegressor(RegressorMixin, BaseBackprop):
    """Multilayer perceptron regressor; a drop-in for scikit-learn's MLPRegressor.

    Parameters, defaults, methods, fitted attributes and, for the same ``random_state``, weights are
    those of ``sklearn.neural_network.MLPRegressor`` (whose first positional parameter is ``loss``;
    here it is ``hidden_layer_sizes``, as in the classifier). It has more parameters and methods.
    With several outputs and lbfgs the weights are others: scikit-learn's are led by a loss that is
    the mean over outputs and a gradient that is of their sum.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(100,)
        Units of each hidden layer; ``()`` for none (linear regression).
    activation : str or list of str, default='relu'
        Activation g of the hidden layers, or of each hidden layer: 'identity', 'logistic', 'tanh',
        'relu', 'leaky_relu', 'elu', 'selu', 'softplus', 'silu', 'gelu', 'mish'. The derivative of
        relu at 0 is taken as 0. Initial weights suit the activation, see :class:`Network`.
    output_activation : {'auto', 'identity', 'logistic', 'softmax', 'exp', 'increasing'}, \
default='auto'
        'auto' is exp for the losses 'poisson' and 'gamma', increasing for several quantiles, else
        identity. 'logistic' and 'softmax' need targets in [0, 1], 'exp' targets >= 0. 'increasing'
        makes each output larger than the one before.
    loss : {'squared_error', 'absolute_error', 'huber', 'poisson', 'gamma', 'quantile', \
'gaussian'} or object, default='squared_error'
        Loss of a sample, summed over the outputs: half the squared error; the absolute error; half
        the squared error up to ``huber_delta`` and linear beyond; half the Poisson deviance
        (targets >= 0); half the gamma deviance (targets > 0); the pinball loss of ``quantile``;
        'gaussian', the negative log-likelihood of a mean and a variance that both depend on X: see
        ``predict(X, return_std=True)``. Or an object with the methods ``loss(y, outputs)`` and
        ``gradient(y, outputs)``, see :class:`Network`.
    huber_delta : float, default=1.0
        Error at which 'huber' becomes linear, > 0; a warning if set with another loss.
    quantile : float or list of float, default=0.5
        Of the loss 'quantile', in (0, 1); a warning if set with another loss. With several, in
        increasing order, ``predict`` returns a column for each, which never cross, and ``score``
        the mean of their D^2 pinball scores.
    solver : {'lbfgs', 'sgd', 'adam', 'rprop', 'levenberg_marquardt'}, default='adam'
        'lbfgs' is quasi-Newton on all samples at once (good for small data), 'sgd' stochastic
        gradient descent with momentum, 'adam' the method of Kingma and Ba. 'rprop' is iRprop-: all
        samples at once, steps that depend on the signs of the gradient. 'levenberg_marquardt' is
        for ``loss='squared_error'`` and few parameters (their number squared must fit in memory).
        'lbfgs' and 'levenberg_marquardt' compute in float64.
    alpha : float, default=0.0001
        Strength of the L2 penalty, ``alpha / (2 * n) * ||W||**2`` with n the sum of the weights of
        the batch. Intercepts are not penalised.
    l1_ratio : float, default=0.0
        Share of the L1 penalty, in [0, 1]: the penalty is ``alpha / (2 * n) * ((1 - l1_ratio) *
        ||W||**2 + 2 * l1_ratio * sum(|W|))``. 'lbfgs' finds weights that are exactly zero, the
        stochastic solvers follow a subgradient. Not for 'levenberg_marquardt'.
    weight_decay : float, default=0.0
        Decoupled weight decay of 'sgd' and 'adam' (then known as AdamW): before a step the weights,
        not the intercepts, are multiplied by ``1 - rate * weight_decay``.
    dropout : float, default=0.0
        Probability, in [0, 1), with which a hidden unit is left out of a step of 'sgd' or 'adam';
        the others are scaled by ``1 / (1 - dropout)``. Predictions use all units.
    input_dropout : float, default=0.0
        The same for the inputs.
    max_grad_norm : float or None, default=None
        Euclidean norm to which a larger gradient, of a batch and with its penalty, is scaled down
        ('sgd', 'adam').
    batch_size : int or 'auto', default='auto'
        Samples per step of 'sgd' and 'adam'; 'auto' is ``min(200, n_samples)``.
    learning_rate : {'constant', 'invscaling', 'adaptive', 'cosine', 'one_cycle', 'coslog4', \
'exponential'} or callable, default='constant'
        Schedule of the step size. For 'sgd' only, as in scikit-learn: 'invscaling' divides by
        ``t_ ** power_t``, 'adaptive' by 5 each time training stops improving. For 'sgd' and 'adam':
        'cosine' falls to 0 over ``max_iter`` epochs; 'one_cycle' rises from 1/25 during the first
        30 % of them and then falls to a 250000th; 'coslog4' rises and falls four times over
        ``max_iter`` epochs, each time for twice as long; 'exponential' multiplies by ``decay_rate``
        each epoch; a function takes the epoch, counted from 0, and returns its step size.
    learning_rate_init : float, default=0.001
        First step size of 'sgd' and 'adam' (the largest, with 'one_cycle' and 'coslog4'), and the
        first size of each weight's step with 'rprop'.
    learning_rate_factors : dict or None, default=None
        Learning rates of their own, as factors of the learning rate: of 'coefs', 'intercepts', and
        of a front's 'scale' and 'periodic' parameters, each 1 by default. 'fan_in' for 'coefs' is
        ``sqrt(256 / fan_in)`` for each layer. ``weight_decay`` follows the rate of each layer.
        Only for sgd and adam.
    power_t : float, default=0.5
        Exponent of 'invscaling'.
    decay_rate : float, default=0.95
        Factor of 'exponential', in (0, 1].
    warmup_epochs : float, default=0
        Epochs over which the step size rises linearly, with any schedule ('sgd', 'adam').
    max_iter : int, default=200
        Maximum number of epochs ('sgd', 'adam', 'rprop') or iterations ('lbfgs',
        'levenberg_marquardt').
    max_time : float or None, default=None
        Seconds after which training stops, at the end of the epoch or iteration. The first epoch
        of ``fit_batches`` is not finished, unless there is a checkpoint, which needs whole epochs.
    shuffle : bool, default=True
        Whether each epoch visits the samples in a new order.
    random_state : int, RandomState instance or None, default=None
        Source of initial weights, the validation split and the order of samples. With the same
        value scikit-learn's MLP has the same trajectory.
    tol : float, default=1e-4
        An epoch improves if the loss (or the validation score) does so by more than this; for
        'lbfgs' the gradient entry at which to stop.
    verbose : bool or int, default=False
        Print the loss of each epoch or iteration, or of every n-th, with the learning rate, the
        seconds since the run began, and the score and loss of the validation samples.
    warm_start : bool, default=False
        Whether ``fit`` continues from the weights of the last call.
    momentum : float, default=0.9
        Momentum of 'sgd', in [0, 1].
    nesterovs_momentum : bool, default=True
        Whether it is Nesterov's.
    early_stopping : bool, default=False
        Set ``validation_fraction`` of the samples aside (or use ``X_val`` of ``fit``), stop when
        their score no longer improves, and restore the weights of the best epoch, even if training
        is interrupted. Not for 'lbfgs'.
    validation_fraction : float, default=0.1
        Fraction set aside, in [0, 1).
    scoring : str, callable or None, default=None
        Score of the validation samples. None: the estimator's own, as in ``score``, but for
        ``loss='quantile'`` with one quantile and for 'gaussian' the same as 'loss'. 'loss': minus
        their loss. A name or function: as in scikit-learn's ``cross_val_score``; it gets their
        weights if it takes ``sample_weight``.
    beta_1, beta_2 : float, default=0.9, 0.999
        Decay rates of adam's moments, in [0, 1).
    epsilon : float, default=1e-8
        Added to the root of adam's second moment.
    n_iter_no_change : int, default=10
        Epochs without improvement after which to stop.
    max_fun : int, default=15000
        Maximum number of evaluations of the loss by 'lbfgs'.
    fit_intercept : bool, default=True
        Whether layers have intercepts; without, ``intercepts_`` are zeros.
    front : {'scale', 'periodic'} or None, default=None
        What stands before the first layer: 'scale', a learned factor for each input; 'periodic',
        beside it three learned mixtures of 16 cosines of each of the first `n_periodic` inputs. See
        :class:`Network`. For dense inputs of order one.
    n_periodic : int or None, default=None
        Inputs with periodic features, the first ones; None: all. Only for ``front="periodic"``.
    n_threads : int or None, default=None
        Threads that share the work of a fit, and of predictions for many samples. None: the
        number that turns out fastest while the fit runs, beside whatever else the machine is
        doing; one for small networks and outside the main thread, and never more than the process
        may use (cores, affinity, OMP_NUM_THREADS, threadpoolctl, joblib's workers). The number
        has no effect on results: they are the same bit for bit (with
        solver='levenberg_marquardt', which goes through BLAS, to rounding).
    checkpoint : str, path-like or None, default=None
        A file in which ``fit`` keeps all that it needs to go on if it is cut off. Called again with
        the same data and parameters, ``fit`` continues from there, to the same bits as without a
        break (lbfgs starts again from its point). ``{run}`` in the path is replaced by what tells
        this run from others, so that the fits of a search have a file each. Without effect in
        ``partial_fit``.
    checkpoint_interval : float, default=60.0
        Seconds between two writes of the file, at least; 0: after each epoch or iteration. The end
        of a run, and an error or Ctrl-C, are written at once.

    Attributes
    ----------
    loss_ : float
        Loss of the last epoch, the mean over its batches as they were trained; NaN if training was
        interrupted before the first was complete.
    best_loss_ : float or None
        The smallest loss so far; None with ``early_stopping``.
    loss_curve_ : list of float
        Loss of each epoch or iteration.
    validation_loss_curve_ : list of float or None
        Loss of the validation samples, without penalty, after each epoch; None without such.
    validation_scores_ : list of float or None
        Their R^2 (D^2 for several quantiles, minus the loss for one and for 'gaussian'), or
        ``scoring``, after each epoch.
    best_validation_score_ : float or None
        The largest of them; None without ``early_stopping``.
    n_iter_ : int
        Epochs or iterations of the last fit.
    t_ : int
        Samples seen by 'sgd' or 'adam'.
    network_ : Network
        The fitted network: parameters, compiled gradients, and the objective of all samples
        (``l2`` is ``alpha / (2 * n)``).
    coefs_ : list of ndarray of shape (fan_in, fan_out)
        Weight matrices, views of ``network_.params``: writing to them changes the estimator. The
        list and its items can be assigned.
    intercepts_ : list of ndarray of shape (fan_out,)
        Intercepts of each layer, in the same way; zeros with ``fit_intercept=False``.
    n_layers_ : int
        Layers including input and output.
    n_outputs_ : int
        Outputs of the network.
    out_activation_ : str
        Activation of the output layer.
    n_features_in_ : int
        Features seen in ``fit``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, if X had string column names.

    Notes
    -----
    The objective of a batch is the weighted mean of the samples' losses plus the penalty; see
    :class:`Network` for its formula. The loss of a sample is the sum over its outputs, and the
    reported loss is exactly the function whose gradient is followed. scikit-learn follows the same
    gradient but reports the mean over outputs (its issue 8349): for k outputs and squared error
    the data term of ``loss_`` here is k times as large, and ``tol`` acts on that.

    References
    ----------
    Rumelhart, Hinton and Williams, "Learning representations by back-propagating errors",
    Nature 323 (1986). Glorot and Bengio, "Understanding the difficulty of training deep
    feedforward neural networks", AISTATS (2010): the initial weights. Kingma and Ba, "Adam: a
    method for stochastic optimization", ICLR (2015). Igel and Huesken, "Improving the Rprop
    learning algorithm", NC (2000). Hagan and Menhaj, "Training feedforward networks with the
    Marquardt algorithm", IEEE Transactions on Neural Networks 5 (1994). Loshchilov and Hutter,
    "Decoupled weight decay regularization", ICLR (2019). Srivastava et al., "Dropout", JMLR 15
    (2014). Smith and Topin, "Super-convergence", SPIE (2019): one_cycle.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from fastbp import BackpropRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> net = BackpropRegressor((8,), learning_rate_init=0.05, max_iter=500, random_state=0)
    >>> model = make_pipeline(StandardScaler(), net).fit(X, y)
    >>> float(model.score(X, y)) > 0.5
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = parameters.OF_REGRESSOR

    output_activation: RegressorOutput
    loss: LossOfNumbers | UserLoss
    huber_delta: float
    quantile: Quantiles

    def __init__(
        self,
        hidden_layer_sizes: int | LayerSizes = (100,),
        *,
        activation: Activations = "relu",
        output_activation: RegressorOutput = "auto",
        loss: LossOfNumbers | UserLoss = "squared_error",
        huber_delta: float = 1.0,
        quantile: Quantiles = 0.5,
        solver: SolverName = "adam",
        alpha: float = 0.0001,
        l1_ratio: float = 0.0,
        weight_decay: float = 0.0,
        dropout: float = 0.0,
        input_dropout: float = 0.0,
        max_grad_norm: float | None = None,
        batch_size: BatchSize = "auto",
        learning_rate: LearningRate = "constant",
        learning_rate_init: float = 0.001,
        learning_rate_factors: LearningRateFactors = None,
        power_t: float = 0.5,
        decay_rate: float = 0.95,
        warmup_epochs: float = 0,
        max_iter: int = 200,
        max_time: float | None = None,
        shuffle: bool = True,
        random_state: RandomState = None,
        tol: float = 1e-4,
        verbose: bool | int = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        scoring: Scoring = None,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        fit_intercept: bool = True,
        front: FrontName | None = None,
        n_periodic: int | None = None,
        n_threads: int | None = None,
        checkpoint: Path | None = None,
        checkpoint_interval: float = 60.0,
    ) -> None:
        self._keep(locals())

    @available_if(has_incremental_solver)
    @fits
    def partial_fit(
        self,
        X: MatrixLike,
        y: MatrixLike,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: MatrixLike | None = None,
        y_val: MatrixLike | None = None,
        sample_weight_val: ArrayLike | None = None,
    ) -> Self:
        """Train for one more epoch, on the given data.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None
        X_val, y_val, sample_weight_val : arrays like the above, default=None
            Samples whose loss and score after this epoch are recorded.

        Returns
        -------
        self : object
        """
        fit_incrementally(self, (X, y, sample_weight), (X_val, y_val, sample_weight_val))
        return self

    @fits
    def fit_batches(
        self,
        batches: Batches,
        *,
        buffer_rows: int | None = None,
        X_val: MatrixLike | None = None,
        y_val: MatrixLike | None = None,
        sample_weight_val: ArrayLike | None = None,
    ) -> Self:
        """Fit the network to more rows than memory holds, which come in batches.

        Parameters
        ----------
        batches : callable
            Called before each epoch; returns an iterator over tuples ``(X, y)`` or ``(X, y,
            sample_weight)``: arrays, DataFrames or CSR matrices of any number of rows, all rows
            once. Or an iterable that starts anew with each ``for``, such as a list. Its code runs
            in a thread of its own, while the network is trained.
        buffer_rows : int or None, default=None
            Rows of the buffer in which they are shuffled. None: as many as 128 MiB hold (100,000
            sparse ones). As many again, at most, are read ahead.
        X_val, y_val, sample_weight_val : arrays, default=None
            Samples to validate on after each epoch; needed for ``early_stopping``.

        Returns
        -------
        self : object

        Raises
        ------
        BatchError
            A ValueError, for a batch that cannot be used: says which batch and row. And for an
            epoch that has another number of rows than the one before.
        ValueError
            As in ``fit``; for a solver that needs all samples at once, ``early_stopping`` without
            validation samples, and a buffer that is smaller than a batch of the optimizer.
        TypeError
            For an iterator, which could be read once only.

        Notes
        -----
        An epoch ends when the iterator does. An endless one is cut by ``itertools.islice``; it can
        be ended by Ctrl-C or ``max_time``, too, but no epoch counts then.

        Solvers 'sgd' and 'adam'; parameters, attributes, callbacks, curves and checkpoints are
        those of ``fit``. Each epoch calls `batches`, and one call more may be made ahead.
        Where the buffer holds all rows, the numbers are those of ``fit``, bit for bit. Where it
        does not, half of the buffer is trained at a time: the rows are shuffled, the first half
        of them is trained and gives its places to the rows that follow. Neither the sizes of the
        batches nor the time that reading takes has an effect on any number.

        A schedule that depends on the number of steps ('cosine', 'one_cycle', 'coslog4',
        ``warmup_epochs``) takes a pass over all batches first, unless the buffer holds all rows.
        The first batch says whether the network is of float32 or of float64.

        If reading fails, in the code of `batches` or because of what it returns, the error
        arrives here. The estimator is as it was before; after one whole epoch or more it is
        fitted, as after the last whole one.
        """
        return self._fit_batches(batches, (X_val, y_val, sample_weight_val), buffer_rows)

    def _known_classes(self, goes_on, classes):
        return None

    def _problem_of_stream(self, y, labels, known):
        return self._problem(y, goes_on=False)

    def _incremental_problem(self, y, classes):
        return self._problem(y, goes_on=False)

    def _problem(self, y, *, goes_on):
        """The output and the quantiles that the parameters ask for."""
        self._warn_of_ignored()
        quantiles = self._quantiles()
        output: str = self.output_activation
        if output == "auto":
            output = default_output(self.loss, len(quantiles))
        settings = {"huber_delta": self.huber_delta, "quantile": self.quantile}
        return RegressionProblem(self.loss, output, settings, quantiles)

    def _warn_of_ignored(self):
        """A parameter of one loss that is set for another: somebody has forgotten the loss."""
        for name, loss in (("huber_delta", "huber"), ("quantile", "quantile")):
            value = getattr(self, name)
            is_set = np.ndim(value) > 0 or value != defaults_of(BackpropRegressor)[name]
            if is_set and not (isinstance(self.loss, str) and self.loss == loss):
                warn(
                    f"{name}={value!r} has no effect with loss={self.loss!r}: it is for "
                    f"loss={loss!r}."
                )

    def _scoring(self) -> Scoring:
        # R^2 is about means: it may fall while a quantile or a variance is still improving
        is_one_quantile = self.loss == "quantile" and not self._quantiles()
        watches_loss = is_one_quantile or self.loss == "gaussian"
        return "loss" if self.scoring is None and watches_loss else self.scoring

    def _quantiles(self) -> tuple[float, ...]:
        """The quantiles of the outputs, where there are several; else an empty tuple."""
        if self.loss != "quantile" or not np.iterable(self.quantile):
            return ()
        quantiles = as_quantiles(self.quantile)
        return quantiles if isinstance(quantiles, tuple) and len(quantiles) > 1 else ()

    def score(self, X: MatrixLike, y: MatrixLike, sample_weight: ArrayLike | None = None) -> float:
        """R^2 of the predictions; for several quantiles the mean of their D^2 pinball scores.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        float
            1 for perfect predictions, 0 for those of the best constant.
        """
        quantiles = self._quantiles()
        if quantiles:
            return float(pinball_score(y, self.predict(X), quantiles, sample_weight))
        return super().score(X, y, sample_weight)

    @overload
    def predict(self, X: MatrixLike, *, return_std: Literal[False] = False) -> FloatArray: ...
    @overload
    def predict(
        self, X: MatrixLike, *, return_std: Literal[True]
    ) -> tuple[FloatArray, FloatArray]: ...
    def predict(self, X: MatrixLike, *, return_std: bool = False) -> Any:
        """Predict targets.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
        return_std : bool, default=False
            Whether to return the standard deviation of each target as well. Only for
            ``loss="gaussian"``.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
            With ``return_std=True`` this and an ndarray of shape (n_samples,).
        """
        outputs = self._outputs(X)
        if self.network_.loss_name == "gaussian":
            means = outputs[:, 0]
            return (means, np.exp(outputs[:, 1] / 2)) if return_std else means
        if return_std:
            raise ValueError(
                f"return_std=True needs loss='gaussian', got loss={self.network_.loss_name!r}."
            )
        return outputs.ravel() if outputs.shape[1] == 1 else outputs

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


@dataclass(frozen=True)
class RegressionProblem:
    """What a fit of a regressor is about: its loss, its output, and several quantiles.

    ClassificationProblem has the same members.

    Attributes
    ----------
    loss : str or object
    output_activation : str
    network_settings : dict
        Arguments of Network that only regressors have.
    quantiles : tuple of float
        Empty unless there are several.
    """

    loss: str | UserLoss
    output_activation: str
    network_settings: dict[str, Any]
    quantiles: tuple[float, ...]

    is_classification: ClassVar[bool] = False

    @property
    def fitted_attributes(self) -> dict[str, Any]:
        return {}

    def targets(self, y: Any, dtype: Any, name: str = "y") -> Targets:
        """Targets of y; one column is repeated for each of several quantiles."""
        n_samples, n_outputs = y.shape[0], y.shape[1] if y.ndim == 2 else 1
        targets = as_targets(y, n_samples, n_outputs, dtype)
        check_targets(targets, self.loss, self.output_activation)
        n_extra = loss_record(self.loss).n_extra
        if n_extra and n_outputs > 1:
            raise ValueError(
                f"loss={self.loss!r} needs a y of one column, got {n_outputs}; fit one target at a "
                "time (sklearn.multioutput.MultiOutputRegressor)."
            )
        if not self.quantiles:
            return targets.extended(n_extra) if n_extra else targets
        if n_outputs > 1:
            raise ValueError(
                f"quantile={list(self.quantiles)} needs a y of one column, got {n_outputs}. Fit "
                f"one quantile at a time (quantile={self.quantiles[0]:g}), for all columns, or a "
                "clone for each column: [clone(model).fit(X, column) for column in y.T]."
            )
        return targets.repeated(len(self.quantiles))

    def targets_of_part(self, y: Any, dtype: Any) -> Targets:
        """Targets of some of the rows."""
        return self.targets(y, dtype)

    def weights(
        self,
        y: Any,
        sample_weight: FloatArray | None,
        dtype: Any,
        *,
        may_be_zero: bool = False,
    ) -> FloatArray | None:
        """sample_weight as it is."""
        return sample_weight

    def score(self, outputs: FloatArray, targets: Targets, weights: FloatArray | None) -> float:
        """R^2, or D^2, of outputs; NaN where they are not finite."""
        if not np.isfinite(outputs).all():
            return np.nan
        if self.quantiles:
            return pinball_score(targets.values[:, 0], outputs, self.quantiles, weights)
        n_targets = targets.n_outputs - loss_record(self.loss).n_extra
        y, predictions = targets.values[:, :n_targets], outputs[:, :n_targets]
        return r2_score(y, predictions, sample_weight=weights)


def pinball_score(
    y: Any, outputs: FloatArray, quantiles: Sequence[float], sample_weight: Any
) -> float:
    """The mean of the quantiles' D^2 pinball scores; outputs has a column for each."""
    return np.mean(
        [
            d2_pinball_score(y, outputs[:, k], sample_weight=sample_weight, alpha=quantile)
            for k, quantile in enumerate(quantiles)
        ]
    )
