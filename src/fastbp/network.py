"""Network: layer sizes, an objective and a flat parameter vector; no scikit-learn in here.

The objective of every network is

    J = loss_scale * reduce_i [ w_i sum_k l(y_ik, yhat_ik) ] + l2 * sum ||W||^2 + l1 * sum |W|

where reduce is the mean (the sum divided by the sum of the weights) or the sum. `loss` returns
exactly J and `loss_gradient` exactly its gradient; other methods give the gradients of single
samples and of the outputs, by the parameters and by the inputs. Parameters are one flat vector
(layout.py); `coefs`, `intercepts` and `front_params` are views of it.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any, cast, get_args

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from . import _kernels
from .checks import (
    are_labels,
    as_float_dtype,
    as_hidden_activations,
    as_labels,
    as_matrix,
    as_number,
    as_random_state,
    as_targets,
    as_weights,
    check_out,
    check_storage,
    one_of,
)
from .data import kernel_samples
from .front import as_front, check_dense
from .initialization import draw_params
from .layout import Layout, LossGradient, as_network_sizes
from .objective import (
    OUTPUTS,
    as_loss,
    as_quantiles,
    check_n_outputs,
    check_pair,
    check_smoothing,
    check_targets,
    loss_record,
    quantiles_of_outputs,
)
from .threads import LEAST_CALL, choose_n_threads
from .types import (
    Activations,
    ArrayLike,
    FloatArray,
    FloatDType,
    FrontName,
    LayerSizes,
    LossName,
    Matrix,
    MatrixLike,
    MaybeSparse,
    OutputActivation,
    Quantiles,
    RandomState,
    Reduction,
    SparseMatrix,
    UserLoss,
)

if TYPE_CHECKING:
    from types import SimpleNamespace
    from typing import Self

    from ._kernels.core_baseline import Evaluator, Samples, Trainer

# Multiplications and additions per parameter and sample: of outputs, and of their derivatives too.
FORWARD, BACKWARD = 2.0, 6.0
REDUCTIONS = get_args(Reduction)
# Settings that states of earlier versions do not have.
NEW_SETTINGS: dict[str, Any] = {"front": None, "n_periodic": None}
# Attributes that a state does not hold, since they follow from the others.
REBUILT = ("_plan", "_forward_dense", "_layout", "_views")
LEAST_FORWARD = 2 * LEAST_CALL / FORWARD  # parameters times samples, for a second thread


class Network:
    """A multilayer perceptron and its objective, with compiled gradients.

    Parameters
    ----------
    layer_sizes : sequence of int
        ``[n_features, hidden..., n_outputs]``; two sizes make a network without hidden layer.
    activation : str or sequence of str, default='relu'
        Activation of the hidden layers, or of each: 'identity', 'logistic', 'tanh', 'relu',
        'leaky_relu' (slope 0.01 below 0), 'elu', 'selu', 'softplus', 'silu', 'gelu' (exact),
        'mish'. The derivative of relu at 0 is 0.
    output_activation : {'identity', 'logistic', 'softmax', 'exp', 'increasing'}, \
default='identity'
        Function of the output layer. 'increasing' is z_0, then each output the one before plus
        ``log(1 + exp(z_k))``: outputs that never cross.
    loss : str or object, default='squared_error'
        Loss l of one sample and output: 'squared_error', ``(yhat - y)**2 / 2``; 'log_loss', the
        negative log-likelihood, Bernoulli for logistic and multinomial for softmax outputs;
        'poisson' and 'gamma', half the deviance; 'absolute_error'; 'huber'; 'quantile', the
        pinball loss; 'gaussian', the negative log-likelihood of normal targets, ``sum_k
        (y_k - yhat_k)**2 * exp(-v) / 2 + v / 2`` without its constant, where the last output v is
        the logarithm of their variance and has no target. Or an object with the methods
        ``loss(y, outputs)``, which returns an array
        (n_samples,), and ``gradient(y, outputs)``, (n_samples, n_outputs), the derivative of each
        sample's loss by the outputs (not by their pre-activations); y and outputs are arrays
        (n_samples, n_outputs). They are called once a batch.
    loss_scale : float, default=1.0
        Factor of the data term, > 0.
    reduction : {'mean', 'sum'}, default='mean'
        Whether the weighted losses are divided by the sum of the weights.
    l2 : float, default=0.0
        Factor of the squared norm of all coefficients (not the intercepts), >= 0.
    l1 : float, default=0.0
        Factor of the sum of their absolute values, >= 0; its derivative at 0 is taken as 0.
    label_smoothing : float, default=0.0
        e in [0, 1): targets y become ``(1 - e) * y + e / K``, with K the number of outputs for
        softmax and 2 for logistic outputs. Only for these, with log_loss or squared_error.
    huber_delta : float, default=1.0
        Error beyond which the loss 'huber' grows linearly, > 0.
    quantile : float or sequence of float, default=0.5
        Of the loss 'quantile', in (0, 1): one for all outputs, or one per output, increasing. Then
        a y of one column is compared with every output.
    fit_intercept : bool, default=True
        Whether layers have intercepts. Without, they are not parameters at all.
    front : {'scale', 'periodic'} or None, default=None
        What stands before the first layer. 'scale': a learned factor for each input, one at first.
        'periodic': beside each of the first `n_periodic` inputs x, three features that are learned
        mixtures of 16 cosines, ``c + V @ cos(2 pi (w x + b))``, and a factor for each of all these.
        No penalty acts on its parameters. For inputs of order one, and dense ones only.
    n_periodic : int or None, default=None
        Inputs with periodic features, the first ones; None: all. Only for ``front="periodic"``.
    dtype : {'float64', 'float32'}, default='float64'
        Type of parameters and arithmetic.
    random_state : int, RandomState instance or None, default=None
        Source of the initial parameters: Glorot uniform, as in scikit-learn's MLP, for its four
        activations; He uniform for the others, LeCun uniform for selu, with intercepts of zero.

    Attributes
    ----------
    params : ndarray of shape (n_params,)
        The parameters. Writing to it, or to the views below, changes the network.
    coefs : tuple of ndarray of shape (fan_in, fan_out)
        Weight matrices, views of `params`.
    intercepts : tuple of ndarray of shape (fan_out,)
        Intercepts, views of `params`; an empty tuple with ``fit_intercept=False``.
    front_params : dict of str to ndarray
        Parameters of the front, views of `params`; empty without one. 'scale', s (the inputs of the
        first layer,); of the periodic features 'frequencies', w, and 'phases', b, in turns, both
        (n_periodic, 16), 'weights', V (n_periodic, 16, 3), and 'intercepts', c (n_periodic, 3).
    n_params : int
        Length of `params`.
    hidden_activations : tuple of str
        Activation of each hidden layer.

    Raises
    ------
    ValueError
        For an unknown name, a size or factor out of range, a wrong number of activations or
        quantiles, or a loss that is undefined for the output (log_loss with anything but logistic
        and softmax; poisson and gamma with identity and increasing; gaussian with anything but
        identity).
    TypeError
        For a size that is not an integer, or a loss without the two methods.

    Notes
    -----
    All arguments but `random_state` are attributes, too, `loss` as ``loss_name``. They are fixed,
    but for `l2` and `l1`, which can be assigned; :meth:`copy` takes other settings.

    References
    ----------
    Rumelhart, Hinton and Williams, "Learning representations by back-propagating errors",
    Nature 323 (1986). Glorot and Bengio, "Understanding the difficulty of training deep
    feedforward neural networks", AISTATS (2010), and He, Zhang, Ren and Sun, "Delving deep into
    rectifiers", ICCV (2015), for the initialisation. Szegedy et al., "Rethinking the Inception
    architecture", CVPR (2016): label smoothing. Koenker and Bassett, "Regression quantiles",
    Econometrica 46 (1978). Huber, "Robust estimation of a location parameter" (1964). Gorishniy,
    Rubachev and Babenko, "On embeddings for numerical features in tabular deep learning", NeurIPS
    (2022), and Holzmueller, Grinsztajn and Steinwart, "Better by default", NeurIPS (2024): the
    fronts.

    Examples
    --------
    >>> import numpy as np
    >>> from fastbp import Network
    >>> net = Network([2, 3, 1], activation="logistic", random_state=0)
    >>> X = np.array([[0.0, 1.0], [1.0, 0.0]])
    >>> y = np.array([1.0, -1.0])
    >>> net.forward(X).shape
    (2, 1)
    >>> gradient = net.loss_gradient(X, y)
    >>> net.params -= 0.1 * gradient.flat
    >>> bool(net.loss(X, y) < gradient.loss)
    True
    """

    layer_sizes: tuple[int, ...]
    activation: str | tuple[str, ...]
    hidden_activations: tuple[str, ...]
    output_activation: str
    loss_name: str | UserLoss
    loss_scale: float
    reduction: str
    l2: float
    l1: float
    label_smoothing: float
    huber_delta: float
    quantile: float | tuple[float, ...]
    fit_intercept: bool
    front: str | None
    n_periodic: int | None
    dtype: np.dtype[np.floating[Any]]
    _layout: Layout
    _plan: Any
    _forward_dense: Any
    _params: FloatArray
    _views: tuple[tuple[FloatArray, ...], tuple[FloatArray, ...], dict[str, FloatArray]]

    def __init__(
        self,
        layer_sizes: LayerSizes,
        *,
        activation: Activations = "relu",
        output_activation: OutputActivation = "identity",
        loss: LossName | UserLoss = "squared_error",
        loss_scale: float = 1.0,
        reduction: Reduction = "mean",
        l2: float = 0.0,
        l1: float = 0.0,
        label_smoothing: float = 0.0,
        huber_delta: float = 1.0,
        quantile: Quantiles = 0.5,
        fit_intercept: bool = True,
        front: FrontName | None = None,
        n_periodic: int | None = None,
        dtype: FloatDType = "float64",
        random_state: RandomState = None,
    ) -> None:
        self._configure(
            as_network_sizes(layer_sizes),
            activation=activation,
            output_activation=output_activation,
            loss=loss,
            loss_scale=loss_scale,
            reduction=reduction,
            l2=l2,
            l1=l1,
            label_smoothing=label_smoothing,
            huber_delta=huber_delta,
            quantile=quantile,
            fit_intercept=fit_intercept,
            front=front,
            n_periodic=n_periodic,
            dtype=dtype,
        )
        random_state = as_random_state(random_state)
        self._adopt(np.zeros(self._layout.n_params, self.dtype))
        draw_params(self, random_state)

    def _configure(
        self,
        layer_sizes,
        *,
        activation,
        output_activation,
        loss,
        loss_scale,
        reduction,
        l2,
        l1,
        label_smoothing,
        huber_delta,
        quantile,
        fit_intercept,
        front,
        n_periodic,
        dtype,
    ):
        """Check the constructor's arguments (but for the sizes) and take them as attributes."""
        own: dict[str, Any] = {}
        own["layer_sizes"] = layer_sizes
        several = not isinstance(activation, str) and np.iterable(activation)
        own["activation"] = tuple(activation) if several else activation
        own["hidden_activations"] = as_hidden_activations(activation, len(layer_sizes) - 2)
        own["output_activation"] = one_of("output_activation", output_activation, OUTPUTS)
        own["loss_name"] = loss = as_loss(loss)
        own["reduction"] = one_of("reduction", reduction, REDUCTIONS)
        check_pair(loss, output_activation)
        check_n_outputs(loss, layer_sizes[-1])
        own["loss_scale"] = as_number("loss_scale", loss_scale, lowest=0, included=False)
        own["l2"] = as_number("l2", l2, lowest=0)
        own["l1"] = as_number("l1", l1, lowest=0)
        own["label_smoothing"] = as_number("label_smoothing", label_smoothing, lowest=0, below=1)
        check_smoothing(own["label_smoothing"], loss, output_activation)
        own["huber_delta"] = as_number("huber_delta", huber_delta, lowest=0, included=False)
        own["quantile"] = as_quantiles(quantile)
        own["fit_intercept"] = bool(fit_intercept)
        own["front"], own["n_periodic"] = front, n_periodic
        front = as_front(front, n_periodic, layer_sizes[0])
        own["_layout"] = Layout(layer_sizes, own["fit_intercept"], front)
        own["dtype"] = as_float_dtype(dtype)
        vars(self).update(own)  # __setattr__ refuses what is fixed
        self._build_plan()

    def _build_plan(self):
        core, loss, front = _kernels.core, self.loss_name, self._layout.front
        is_named = isinstance(loss, str)
        quantiles = None
        if loss == "quantile":
            quantiles = quantiles_of_outputs(self.quantile, self.layer_sizes[-1])
        plan = core.Plan(
            self.layer_sizes,
            tuple(core.ACTIVATIONS[name] for name in self.hidden_activations),
            core.OUTPUTS[self.output_activation],
            core.LOSSES[loss] if is_named else core.USER,
            self.loss_scale,
            self.reduction == "mean",
            self.fit_intercept,
            label_smoothing=self.label_smoothing,
            huber_delta=self.huber_delta,
            quantiles=quantiles,
            user_loss=None if is_named else loss,
            n_periodic=-1 if front is None else front.n_periodic,
        )
        # The function for this dtype: finding it at each call would take a microsecond.
        type_name = "float" if self.dtype == np.float32 else "double"
        vars(self).update(_plan=plan, _forward_dense=core.forward_dense[type_name])

    def _adopt(self, params):
        """Make `params` the parameter vector, and the views that go with it."""
        vars(self).update(_params=params, _views=self._layout.split(params))

    if not TYPE_CHECKING:  # which would take every attribute for one that can be set

        def __setattr__(self, name, value):
            if name in ("l2", "l1"):
                value = as_number(name, value, lowest=0)
            elif name in Network.__annotations__:
                raise AttributeError(
                    f"{name} is fixed at the construction of a Network; make a new Network, or a "
                    "copy(...) with other settings."
                )
            elif type(self) is Network and not hasattr(Network, name):
                raise AttributeError(f"A Network has no attribute {name!r} to be set.")
            object.__setattr__(self, name, value)

    @property
    def params(self) -> FloatArray:
        return self._params

    @params.setter
    def params(self, values: ArrayLike) -> None:
        # net.params -= step assigns, too. The vector itself stays, and with it the views.
        self._params[...] = values

    @property
    def coefs(self) -> tuple[FloatArray, ...]:
        return self._views[0]

    @property
    def intercepts(self) -> tuple[FloatArray, ...]:
        return self._views[1]

    @property
    def front_params(self) -> dict[str, FloatArray]:
        return dict(self._views[2])

    @property
    def n_params(self) -> int:
        return self._params.size

    def forward(self, X: MatrixLike) -> FloatArray:
        """Outputs of the network.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_outputs)
        """
        outputs = self.try_forward(X)
        return self.forward_checked(self._check_inputs(X)) if outputs is None else outputs

    def forward_checked(self, X: Matrix, n_threads: int | None = None) -> FloatArray:
        """forward for an X that the caller has checked: finite or not, as the kernels read it."""
        check_dense(X, self.front)
        outputs = np.empty((X.shape[0], self.layer_sizes[-1]), dtype=self.dtype)
        _kernels.core.forward(
            self._plan,
            self._params,
            kernel_samples(X),
            outputs,
            n_threads=self._forward_threads(n_threads, len(outputs)),
        )
        return outputs

    def try_forward(self, X: MatrixLike, n_threads: int | None = None) -> FloatArray | None:
        """forward for an array that needs no conversion, checked in the compiled call; else None.

        For callers with checks of their own, which an X that passes here does not need.
        """
        # A structured array would pass the compiled call's test of the dtype by its first field.
        if type(X) is not np.ndarray or X.ndim != 2 or X.dtype != self.dtype:
            return None
        outputs = np.empty((len(X), self.layer_sizes[-1]), self.dtype)
        n_threads = self._forward_threads(n_threads, len(X))
        try:
            is_sound = self._forward_dense(self._plan, self._params, X, outputs, n_threads)
            return outputs if is_sound else None
        except ValueError:  # another order or byte order
            return None

    def activations(self, X: MatrixLike) -> list[FloatArray | MaybeSparse]:
        """Activations of every layer.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)

        Returns
        -------
        list of ndarray
            X itself, then (n_samples, fan_out) for each hidden layer and the output.
        """
        inputs = self._check_inputs(X)
        n, hidden_sizes = inputs.shape[0], self.layer_sizes[1:-1]
        outputs = np.empty((n, self.layer_sizes[-1]), dtype=self.dtype)
        hidden = np.empty(n * sum(hidden_sizes), dtype=self.dtype)
        n_threads = self._forward_threads(None, n)
        _kernels.core.forward(
            self._plan, self._params, kernel_samples(inputs), outputs, hidden, n_threads
        )
        ends = np.cumsum([n * size for size in hidden_sizes])[:-1]
        layers = np.split(hidden, ends) if hidden_sizes else []
        return [inputs, *(a.reshape(n, -1) for a in layers), outputs]

    def loss(self, X: MatrixLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """The objective J.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
        y : array-like of shape (n_samples, n_outputs) or (n_samples,)
            Targets. A vector is one output; for softmax outputs it holds integer labels. With
            the loss 'gaussian' there is one column less than outputs.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights >= 0; ones by default.

        Returns
        -------
        float
        """
        samples = self._samples(X, y, sample_weight)
        evaluator = self.evaluator(samples, l2=self.l2, l1=self.l1, gradient=False)
        return evaluator.evaluate(self._params)

    def loss_gradient(
        self, X: MatrixLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> LossGradient:
        """The objective J and its gradient with respect to the parameters.

        Parameters
        ----------
        X, y, sample_weight
            As in :meth:`loss`.

        Returns
        -------
        LossGradient
            ``loss``, ``flat`` (n_params,), and its views ``coefs`` and ``intercepts``.
        """
        grad = np.empty(self.n_params, dtype=self.dtype)
        samples = self._samples(X, y, sample_weight)
        evaluator = self.evaluator(samples, l2=self.l2, l1=self.l1)
        loss = evaluator.evaluate(self._params, grad)
        return LossGradient(loss, grad, *self._layout.split(grad))

    def per_sample_gradients(self, X: MatrixLike, y: ArrayLike) -> FloatArray:
        """Gradient of each sample's own loss, ``loss_scale * sum_k l``.

        The penalties are not in it, and nothing is averaged: with ``l2 = l1 = 0`` and
        ``reduction="mean"`` the mean over rows is the gradient of J.

        Parameters
        ----------
        X, y
            As in :meth:`loss`.

        Returns
        -------
        ndarray of shape (n_samples, n_params)
        """
        samples = self._samples(X, y, None)
        grads = np.empty((len(samples), self.n_params), dtype=self.dtype)
        n_threads = self._choose_n_threads(None, len(samples), BACKWARD)
        _kernels.core.per_sample_gradients(self._plan, self._params, samples, grads, n_threads)
        return grads

    def per_sample_gradient_norms(self, X: MatrixLike, y: ArrayLike) -> NDArray[np.float64]:
        """Euclidean norms of the rows of :meth:`per_sample_gradients`, which are not formed.

        A sample's gradient of a layer is the outer product of its activations and deltas, whose
        norm is the product of theirs (Goodfellow, "Efficient per-example gradient computations",
        2015): a few numbers per sample, whatever the size of the network.

        Parameters
        ----------
        X, y
            As in :meth:`loss`.

        Returns
        -------
        ndarray of shape (n_samples,) of float64
        """
        if sparse.issparse(X):
            # Entries of the same column count as one; the sum of their squares would not do.
            check_storage(X)
            matrix = cast(SparseMatrix, X).tocsr(copy=True)
            matrix.sum_duplicates()
            X = matrix
        samples = self._samples(X, y, None)
        square_norms = np.empty(len(samples))
        n_threads = self._choose_n_threads(None, len(samples), BACKWARD)
        _kernels.core.per_sample_square_norms(
            self._plan, self._params, samples, square_norms, n_threads
        )
        return np.sqrt(square_norms)

    def input_gradient(self, X: MatrixLike, y: ArrayLike) -> FloatArray:
        """Gradient of each sample's own loss, ``loss_scale * sum_k l``, by its inputs.

        Parameters
        ----------
        X, y
            As in :meth:`loss`.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
        """
        samples = self._samples(X, y, None)
        grads = np.empty((len(samples), self.layer_sizes[0]), dtype=self.dtype)
        n_threads = self._choose_n_threads(None, len(samples), BACKWARD)
        _kernels.core.input_gradients(self._plan, self._params, samples, grads, n_threads)
        return grads

    def jacobian(
        self, X: MatrixLike, *, out: FloatArray | None = None, n_threads: int | None = None
    ) -> FloatArray:
        """Derivatives of the outputs by the parameters.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
        out : ndarray of shape (n_samples, n_outputs, n_params), default=None
            Where to write the result, C-contiguous and of the network's dtype; a new array by
            default.
        n_threads : int or None, default=None
            Without effect on the numbers. None: as many as are worthwhile.

        Returns
        -------
        ndarray of shape (n_samples, n_outputs, n_params)
        """
        return self._jacobian(X, self.n_params, "by_params", out, n_threads)

    def input_jacobian(self, X: MatrixLike) -> FloatArray:
        """Derivatives of the outputs by the inputs.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_outputs, n_features)
        """
        return self._jacobian(X, self.layer_sizes[0], "by_inputs")

    def _jacobian(self, X, width, which, out=None, n_threads=None):
        X = self._check_inputs(X)
        n, n_outputs = X.shape[0], self.layer_sizes[-1]
        out = np.empty((n, n_outputs, width), self.dtype) if out is None else out
        check_out(out, (n, n_outputs, width), self.dtype)
        outputs = np.empty((n, n_outputs), dtype=self.dtype)
        _kernels.core.output_jacobian(
            self._plan,
            self._params,
            kernel_samples(X),
            outputs,
            n_threads=self._choose_n_threads(n_threads, n * n_outputs, BACKWARD),
            **{which: out.reshape(n * n_outputs, width)},
        )
        return out

    def evaluator(
        self,
        samples: Samples,
        *,
        l2: float,
        l1: float = 0.0,
        gradient: bool = True,
        n_threads: int | None = None,
    ) -> Evaluator:
        """The objective of many evaluations, at any parameters; compiled, and not checked again.

        Parameters
        ----------
        samples : Samples of the kernels
            Of this network's dtype.
        l2, l1 : float
            Factors of the penalties that are part of the objective.
        gradient : bool, default=True
            Whether gradients will be computed, which needs more memory.
        n_threads : int or None, default=None
            Without effect on the numbers. None: as many as are worthwhile; fewer do the work
            where so many cannot be had. An int: else RuntimeError.

        Returns
        -------
        Evaluator of the kernels
            ``evaluate(params, grad=None, outputs=None)`` returns J and fills the arrays.
        """
        return _kernels.core.Evaluator(
            self._plan,
            samples,
            l2,
            l1,
            gradient=gradient,
            n_threads=(
                self._choose_n_threads(n_threads, len(samples), BACKWARD)
                if gradient
                else self._forward_threads(n_threads, len(samples))
            ),
            adapts=n_threads is None,
        )

    def _forward_threads(self, n_threads, n_samples):
        """n_threads, or as many as are worthwhile, of a forward pass; one for few samples."""
        if n_samples * self._params.size < LEAST_FORWARD:
            return 1
        return self._choose_n_threads(n_threads, n_samples, FORWARD)

    def _choose_n_threads(self, n_threads, n_samples, flops):
        """Threads for a call that does so many operations per parameter and sample."""
        work = flops * self._params.size * n_samples
        return choose_n_threads(n_threads, work, work)

    def trainer(
        self, samples: Samples, moments: FloatArray, settings: SimpleNamespace, **progress: Any
    ) -> Trainer:
        """A compiled run of optimizer steps that moves this network's parameters.

        Parameters
        ----------
        samples : Samples of the kernels
            Of this network's dtype.
        moments : ndarray of shape (n_moments, n_params)
            Of the optimizer; moved along.
        settings : object
            With ``solver`` and the parameters of the estimators that a step reads.
        **progress
            ``batch_size``, ``n_steps``, ``dropout_seed``, ``n_threads``, ``adapts``.

        Returns
        -------
        Trainer of the kernels
        """
        return _kernels.core.Trainer(
            self._plan,
            self._params,
            moments.reshape(-1),
            samples,
            settings,
            optimizer=_kernels.core.OPTIMIZERS[settings.solver],
            **progress,
        )

    def _check_inputs(self, X: MatrixLike) -> Matrix:
        check_dense(X, self.front)
        matrix = as_matrix(X, self.dtype)
        if matrix.shape[1] != self.layer_sizes[0]:
            raise ValueError(
                f"X has {matrix.shape[1]} features, but this Network has {self.layer_sizes[0]} "
                "inputs."
            )
        return matrix

    def _samples(self, X, y, sample_weight):
        """The kernels' Samples of a user's arrays, checked."""
        X = self._check_inputs(X)
        n, n_outputs = X.shape[0], self.layer_sizes[-1]
        weights = as_weights(sample_weight, n, self.dtype)
        if self.output_activation == "softmax" and are_labels(y):
            return kernel_samples(X, as_labels(y, n, n_outputs), weights)
        n_extra = loss_record(self.loss_name).n_extra
        one_for_all = self.loss_name == "quantile" and isinstance(self.quantile, tuple)
        if one_for_all and n_outputs > 1 and np.size(y) == n:
            targets = as_targets(y, n, 1, self.dtype).repeated(n_outputs)
        elif n_extra:
            targets = as_targets(y, n, n_outputs - n_extra, self.dtype).extended(n_extra)
        else:
            targets = as_targets(y, n, n_outputs, self.dtype)
        # Unlike the estimators, a network may be trained towards what its output cannot reach.
        check_targets(
            targets, self.loss_name, self.output_activation if self.label_smoothing else None
        )
        return kernel_samples(X, targets, weights)

    def copy(self, **settings: Any) -> Self:
        """A copy of this network, with other settings.

        Parameters
        ----------
        **settings
            Arguments of the constructor that differ from this network's; not ``layer_sizes``,
            ``fit_intercept``, ``front``, ``n_periodic`` and ``random_state``, which the parameters
            depend on.

        Returns
        -------
        Network
            With a parameter vector of its own, whose values are this network's.

        Raises
        ------
        TypeError, ValueError
            For an argument that does not exist or that the constructor refuses.

        Examples
        --------
        >>> from fastbp import Network
        >>> net = Network([2, 3, 1], l2=0.1, random_state=0)
        >>> single = net.copy(dtype="float32", l2=0.0)
        >>> single.dtype.name, bool((single.params == net.params.astype("float32")).all())
        ('float32', True)
        """
        for name in ("fit_intercept", "front", "n_periodic"):
            own = getattr(self, name)
            if settings.get(name, own) != own:
                raise ValueError(
                    f"{name}={settings[name]!r} needs other parameters than this network's, which "
                    f"has {name}={own!r}; build a new Network."
                )
        twin = self.__class__.__new__(self.__class__)
        twin._configure(self.layer_sizes, **self._settings() | settings)
        twin._adopt(self._params.astype(twin.dtype))
        return twin

    def _settings(self):
        """The arguments of the constructor, but for layer_sizes and random_state."""
        return {name: getattr(self, attribute) for name, attribute in SETTINGS}

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        for rebuilt in REBUILT:
            del state[rebuilt]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Checked as the constructor's arguments are: the kernels trust sizes and dtype.
        state = NEW_SETTINGS | state
        for name in ("layer_sizes", *(attribute for _, attribute in SETTINGS), "_params"):
            if name not in state:
                raise ValueError(f"The state of a Network is incomplete: it has no {name!r}.")
        layer_sizes = as_network_sizes(state["layer_sizes"])
        self._configure(layer_sizes, **{name: state[attribute] for name, attribute in SETTINGS})
        self._adopt(self._layout.as_params(state["_params"], self.dtype))

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        twin = self.__class__.__new__(self.__class__)
        twin.__setstate__(deepcopy(self.__getstate__(), memo))
        return twin

    __copy__ = deepcopy

    def _unusual(self):
        """The less common settings that are not at their defaults, for repr."""
        defaults: dict[str, Any] = {"l1": 0.0, "label_smoothing": 0.0, "huber_delta": 1.0}
        defaults |= {"quantile": 0.5, "front": None, "n_periodic": None}
        changed = {name: getattr(self, name) for name in defaults}
        return "".join(
            f"{name}={value!r}, " for name, value in changed.items() if value != defaults[name]
        )

    def __repr__(self) -> str:
        return (
            f"Network({list(self.layer_sizes)}, activation={self.activation!r}, "
            f"output_activation={self.output_activation!r}, loss={self.loss_name!r}, "
            f"loss_scale={self.loss_scale:g}, reduction={self.reduction!r}, l2={self.l2:g}, "
            f"{self._unusual()}"
            f"fit_intercept={self.fit_intercept}, dtype={self.dtype.name!r})"
        )


# The arguments of the constructor that _configure takes, and the attributes that hold them.
SETTINGS = tuple(
    ("loss" if name == "loss_name" else name, name)
    for name in Network.__annotations__
    if name[0] != "_" and name not in ("layer_sizes", "hidden_activations")
)
