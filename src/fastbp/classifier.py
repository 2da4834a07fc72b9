"""BackpropClassifier: scikit-learn's MLPClassifier, trained by the compiled core.

How it is fitted stands in fits.py. What is here is the classifier's own: its parameters, how class
labels become targets of the network (classes.py), and what its predictions are made of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import (
    _check_partial_fit_first_call,
    type_of_target,
    unique_labels,
)

from . import parameters
from .base import BaseBackprop, has_incremental_solver
from .classes import Classes, ClassificationProblem, ClassWeights, check_labels
from .fits import fit_incrementally
from .sklearn_types import available_if, fits
from .types import (
    Activations,
    Array,
    ArrayLike,
    Batches,
    BatchSize,
    ClassifierOutput,
    ClassWeight,
    FloatArray,
    FrontName,
    LayerSizes,
    LearningRate,
    LearningRateFactors,
    LossOfClasses,
    MatrixLike,
    MaybeSparse,
    Path,
    RandomState,
    Scoring,
    SolverName,
    UserLoss,
)

if TYPE_CHECKING:
    from typing import Self


def _gives_probabilities(estimator: BackpropClassifier) -> bool:
    output = getattr(estimator, "out_activation_", estimator.output_activation)
    if output == "identity":
        raise AttributeError(
            "predict_proba is not available with output_activation='identity', whose outputs are "
            "not probabilities; use 'logistic' or 'softmax'."
        )
    return True


class BackpropClassifier(ClassifierMixin, BaseBackprop):
    """Multilayer perceptron classifier; a drop-in for scikit-learn's MLPClassifier.

    Parameters, defaults, methods, fitted attributes and, for the same ``random_state``, weights are
    those of ``sklearn.neural_network.MLPClassifier``. It has more parameters and methods.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(100,)
        Units of each hidden layer; ``()`` for none (logistic or softmax regression).
    activation : str or list of str, default='relu'
        Activation g of the hidden layers, or of each hidden layer: 'identity', 'logistic', 'tanh',
        'relu', 'leaky_relu', 'elu', 'selu', 'softplus', 'silu', 'gelu', 'mish'. The derivative of
        relu at 0 is taken as 0. Initial weights suit the activation, see :class:`Network`.
    output_activation : {'auto', 'logistic', 'softmax', 'identity'}, default='auto'
        'auto' is softmax for more than two classes, logistic for two and for multi-label targets.
        'identity' needs ``loss='squared_error'`` and gives no probabilities.
    loss : {'log_loss', 'squared_error'} or object, default='log_loss'
        Loss of a sample: its negative log-likelihood, or half the squared distance between the
        outputs and the 0/1 targets (for probabilities, half the Brier score). Or an object with
        the methods ``loss(y, outputs)`` and ``gradient(y, outputs)``, see :class:`Network`.
    label_smoothing : float, default=0.0
        e in [0, 1): the targets 0 and 1 become ``e / K`` and ``1 - e + e / K``, with K the number
        of classes, or 2 for each label of a multi-label problem.
    class_weight : dict, 'balanced', list of dict or None, default=None
        Weights of the classes, by which those of the samples are multiplied. 'balanced' is
        ``n_samples / (n_classes * count of the class)``, without regard to sample_weight; for
        multi-label targets a list of dicts, one per label, or 'balanced'.
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
        Score of the validation samples. None: the estimator's own, as in ``score``. 'loss': minus
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
    classes_ : ndarray of shape (n_classes,)
        Class labels; for multi-label targets the numbers of their columns.
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
        Their accuracy, or ``scoring``, after each epoch.
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
    :class:`Network` for its formula. With multi-label targets the loss of a sample is the sum over
    labels.

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
    >>> from sklearn.datasets import load_iris
    >>> from fastbp import BackpropClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = BackpropClassifier((16,), learning_rate_init=0.01, max_iter=500, random_state=0)
    >>> clf = clf.fit(X, y)
    >>> float(clf.score(X, y)) > 0.95
    True
    >>> clf.predict_proba(X[:2]).shape
    (2, 3)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = parameters.OF_CLASSIFIER

    output_activation: ClassifierOutput
    loss: LossOfClasses | UserLoss
    label_smoothing: float
    class_weight: ClassWeight

    classes_: Array
    _classes: Classes

    def __init__(
        self,
        hidden_layer_sizes: int | LayerSizes = (100,),
        *,
        activation: Activations = "relu",
        output_activation: ClassifierOutput = "auto",
        loss: LossOfClasses | UserLoss = "log_loss",
        label_smoothing: float = 0.0,
        class_weight: ClassWeight = None,
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
        classes: ArrayLike | None = None,
        *,
        X_val: MatrixLike | None = None,
        y_val: MatrixLike | None = None,
        sample_weight_val: ArrayLike | None = None,
    ) -> Self:
        """Train for one more epoch, on the given data.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Class labels, or a label indicator matrix.
        sample_weight : array-like of shape (n_samples,), default=None
        classes : array-like of shape (n_classes,), default=None
            All classes that will ever come. Needed in the first call, except for a label
            indicator matrix, whose columns are the classes.
        X_val, y_val, sample_weight_val : arrays like the above, default=None
            Samples whose loss and score after this epoch are recorded.

        Returns
        -------
        self : object
        """
        validation = (X_val, y_val, sample_weight_val)
        fit_incrementally(self, (X, y, sample_weight), validation, classes)
        return self

    @fits
    def fit_batches(
        self,
        batches: Batches,
        *,
        classes: ArrayLike | None = None,
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
        classes : array-like of shape (n_classes,), default=None
            All classes. None: where the buffer does not hold all rows, they are found in a pass
            over all batches. Not needed for a label indicator matrix, or with ``warm_start``.
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
        ``warmup_epochs``) and ``class_weight='balanced'`` take a pass over all batches first,
        unless the buffer holds all rows. The first batch says whether the network is of float32
        or of float64.

        If reading fails, in the code of `batches` or because of what it returns, the error
        arrives here. The estimator is as it was before; after one whole epoch or more it is
        fitted, as after the last whole one.
        """
        validation = (X_val, y_val, sample_weight_val)
        return self._fit_batches(batches, validation, buffer_rows, classes)

    def _known_classes(self, goes_on, classes):
        """The classes, as far as they are known before the first batch; or None."""
        if classes is None:
            return self._classes if goes_on else None
        given = Classes(unique_labels(classes))
        if goes_on and not self._classes.multilabel:
            self._classes.check_same(given.labels)
        return self._classes if goes_on else given

    def _problem_of_stream(self, y, labels, known):
        """The same as _problem; y is that of the first row, labels are None or LabelCounts."""
        if known is None or (y.ndim == 2 and not known.multilabel):
            known = Classes.of(y) if y.ndim == 2 else labels.classes
        if isinstance(self.class_weight, str):
            weights = labels.balanced_weights(known)
        else:
            weights = self._class_weights_of(y, known)
        return self._problem_of(known, weights)

    def _problem(self, y, *, goes_on):
        """The classes of y, their output and their weights."""
        check_labels(y)
        if goes_on:
            known = self._classes
            known.check_same(y)
        else:
            known = Classes.of(y)
        return self._problem_of(known, self._class_weights_of(y, known))

    def _incremental_problem(self, y, classes):
        """The same for partial_fit, where y need not have all classes."""
        known = vars(self).get("_classes") if hasattr(self, "network_") else None
        if known is not None and known.takes(y):
            self._check_classes(classes)  # the other checks take longer than a small step
        else:
            check_labels(y)
            known = self._classes_of_first_call(y, classes)
            known.check_known(y)
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' is not possible for partial_fit, which does not know how "
                "often each class will come. Give a dict, for example from "
                "sklearn.utils.class_weight.compute_class_weight('balanced', classes=classes, y=y) "
                "on a sample of the targets."
            )
        return self._problem_of(known, self._class_weights_of(y, known))

    def _problem_of(self, known, class_weights):
        return ClassificationProblem(
            known,
            known.output_activation(self.output_activation),
            {"label_smoothing": self.label_smoothing},
            class_weights,
        )

    def _class_weights_of(self, y, known):
        if self.class_weight is None:
            return None
        return ClassWeights.of_training(self.class_weight, y, known.labels)

    def _check_classes(self, classes):
        """ValueError unless the classes of a later call are those of the first."""
        if not self._classes.multilabel and not self._classes.are(classes):
            _check_partial_fit_first_call(self, classes)

    def _classes_of_first_call(self, y, classes):
        if hasattr(self, "network_"):
            self._check_classes(classes)
            return self._classes
        if type_of_target(y).startswith("multilabel"):
            return Classes.of(y)
        _check_partial_fit_first_call(self, classes)
        return Classes(self.classes_)

    def predict(self, X: MatrixLike) -> Array | MaybeSparse:
        """Predict class labels.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_labels)
            The most probable class, or each label whose output is above 1/2.
        """
        outputs = self._outputs(X)
        return self._classes.decode(outputs)

    @available_if(_gives_probabilities)
    def predict_proba(self, X: MatrixLike) -> FloatArray:
        """Predict class probabilities.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``. Rows sum to one, except for multi-label targets, where
            each column is the probability of that label. Logistic outputs for more than two
            classes are divided by their sum, as in one-vs-rest.
        """
        outputs = self._outputs(X)
        return self._classes.probabilities(outputs, self.out_activation_)

    @available_if(_gives_probabilities)
    def predict_log_proba(self, X: MatrixLike) -> FloatArray:
        """Logarithm of :meth:`predict_proba`; -inf where that is 0."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
