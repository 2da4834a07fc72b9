"""Network: layer sizes, an objective and a flat parameter vector; no scikit-learn in here.

The objective of every network is

    J = loss_scale * reduce_i [ w_i sum_k l(y_ik, yhat_ik) ] + l2 * sum ||W||^2 + l1 * sum |W|

where reduce is the mean (the sum divided by the sum of the weights) or the sum. `loss` returns
exactly J and `loss_gradient` exactly its gradient; the other gradients are those of single
samples, of the outputs, and by the inputs. Parameters are one flat vector: all
coefficients, layer after layer, each (fan_in, fan_out) in C order, then all intercepts;
`coefs` and `intercepts` are views of it.
"""

import copy
import inspect
from dataclasses import dataclass
from itertools import pairwise
from numbers import Integral, Real

import numpy as np
from scipy import sparse

from . import _kernels
from .inputs import (
    LOSSES_WITH_BOUNDED_TARGETS,
    as_labels,
    as_layer_sizes,
    as_matrix,
    as_targets,
    as_weights,
    check_storage,
    check_target_range,
    kernel_samples,
)

UNDEFINED_PAIRS = {
    ("log_loss", "identity"): "its outputs are not probabilities",
    ("log_loss", "exp"): "its outputs are not probabilities",
    ("log_loss", "increasing"): "its outputs are not probabilities",
    ("poisson", "identity"): "its outputs may be negative",
    ("poisson", "increasing"): "its outputs may be negative",
    ("gamma", "identity"): "its outputs may be negative",
    ("gamma", "increasing"): "its outputs may be negative",
}
SMOOTHED_LOSSES = ("log_loss", "squared_error")
SMOOTHED_OUTPUTS = ("logistic", "softmax")

# Initial weights are uniform in +-sqrt(factor / fans). scikit-learn's MLP takes Glorot's fans,
# fan_in + fan_out, for its four activations, and draws intercepts too. The others have He's, or
# for selu LeCun's, fan_in alone, and intercepts of zero.
GLOROT_FACTORS = {"identity": 6.0, "logistic": 2.0, "tanh": 6.0, "relu": 6.0}
HE_FACTOR, LECUN_FACTOR = 6.0, 3.0


@dataclass(frozen=True)
class LossGradient:
    """The objective and its gradient at a network's parameters.

    Attributes
    ----------
    loss : float
        J.
    flat : ndarray of shape (n_params,)
        dJ/dparams, in the layout of ``Network.params``.
    coefs : tuple of ndarray of shape (fan_in, fan_out)
        Views of `flat`, one per layer.
    intercepts : tuple of ndarray of shape (fan_out,)
        Views of `flat`, one per layer; empty without intercepts.
    """

    loss: float
    flat: np.ndarray
    coefs: tuple
    intercepts: tuple


class Network:
    """A multilayer perceptron and its objective, with compiled gradients.

    Parameters
    ----------
    layer_sizes : sequence of int
        ``[n_features, hidden..., n_outputs]``; two sizes make a network without hidden layer.
    activation : str or sequence of str, default='relu'
        Activation of the hidden layers, or of each: 'identity', 'logistic', 'tanh', 'relu',
        'leaky_relu' (slope 0.01 below 0), 'elu', 'selu', 'softplus', 'silu', 'gelu' (exact),
        'mish'. The derivative of relu at 0 is taken as 0.
    output_activation : {'identity', 'logistic', 'softmax', 'exp', 'increasing'}, \
default='identity'
        Function of the output layer. 'increasing' is z_0, then each output the one before plus
        ``log(1 + exp(z_k))``: outputs that never cross.
    loss : str or object, default='squared_error'
        Loss l of one sample and output: 'squared_error', ``(yhat - y)**2 / 2``; 'log_loss', the
        negative log-likelihood, Bernoulli for logistic and multinomial for softmax outputs;
        'poisson' and 'gamma', half the deviance; 'absolute_error'; 'huber'; 'quantile', the
        pinball loss. Or an object with the methods ``loss(y, outputs)``, which returns an array
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
    n_params : int
        Length of `params`.
    hidden_activations : tuple of str
        Activation of each hidden layer.

    Raises
    ------
    ValueError
        For an unknown name, a size or factor out of range, a wrong number of activations or
        quantiles, or a loss that is undefined for the output (log_loss with anything but logistic
        and softmax; poisson and gamma with identity and increasing).
    TypeError
        For a size that is not an integer, or a loss without the two methods.

    References
    ----------
    Rumelhart, Hinton and Williams, "Learning representations by back-propagating errors",
    Nature 323 (1986). Glorot and Bengio, "Understanding the difficulty of training deep
    feedforward neural networks", AISTATS (2010), and He, Zhang, Ren and Sun, "Delving deep into
    rectifiers", ICCV (2015), for the initialisation. Szegedy et al., "Rethinking the Inception
    architecture", CVPR (2016): label smoothing. Koenker and Bassett, "Regression quantiles",
    Econometrica 46 (1978). Huber, "Robust estimation of a location parameter" (1964).

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

    def __init__(
        self,
        layer_sizes,
        *,
        activation="relu",
        output_activation="identity",
        loss="squared_error",
        loss_scale=1.0,
        reduction="mean",
        l2=0.0,
        l1=0.0,
        label_smoothing=0.0,
        huber_delta=1.0,
        quantile=0.5,
        fit_intercept=True,
        dtype="float64",
        random_state=None,
    ):
        self.layer_sizes = _as_network_sizes(layer_sizes)
        self._configure(
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
            dtype=dtype,
        )
        self._draw_params(_as_random_state(random_state))

    def _configure(
        self,
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
        dtype,
    ):
        """Check the constructor's arguments (but for the sizes) and take them as attributes."""
        core = _kernels.core
        self.activation = activation if isinstance(activation, str) else _as_tuple(activation)
        self.hidden_activations = as_hidden_activations(activation, len(self.layer_sizes) - 2)
        self.output_activation = _one_of("output_activation", output_activation, core.OUTPUTS)
        self.loss_name = _checked_loss(loss)
        self.reduction = _one_of("reduction", reduction, ("mean", "sum"))
        check_pair(self.loss_name, output_activation)
        self.loss_scale = _number("loss_scale", loss_scale, lowest=0, included=False)
        self.l2 = _number("l2", l2, lowest=0)
        self.l1 = _number("l1", l1, lowest=0)
        self.label_smoothing = _number("label_smoothing", label_smoothing, lowest=0, below=1)
        check_smoothing(self.label_smoothing, self.loss_name, output_activation)
        self.huber_delta = _number("huber_delta", huber_delta, lowest=0, included=False)
        self.quantile = as_quantiles(quantile)
        self.fit_intercept = bool(fit_intercept)
        self.dtype = _float_dtype(dtype)
        self._build_plan()

    def _build_plan(self):
        core = _kernels.core
        self._plan = core.Plan(
            self.layer_sizes,
            tuple(core.ACTIVATIONS[name] for name in self.hidden_activations),
            core.OUTPUTS[self.output_activation],
            core.LOSSES[self.loss_name] if isinstance(self.loss_name, str) else core.USER,
            self.loss_scale,
            self.reduction == "mean",
            self.fit_intercept,
            label_smoothing=self.label_smoothing,
            huber_delta=self.huber_delta,
            quantiles=self._output_quantiles(),
            user_loss=None if isinstance(self.loss_name, str) else self.loss_name,
        )
        # the function for this dtype: to have it found at each call would take a microsecond
        self._forward_dense = core.forward_dense["float" if self.dtype == np.float32 else "double"]

    def _output_quantiles(self):
        """The quantile of each output; None for other losses."""
        if self.loss_name != "quantile":
            return None
        n_outputs = self.layer_sizes[-1]
        if isinstance(self.quantile, float):
            return (self.quantile,) * n_outputs
        if len(self.quantile) != n_outputs:
            raise ValueError(
                f"quantile={list(self.quantile)} has {len(self.quantile)} entries for "
                f"{n_outputs} outputs; one per output is needed, or a single number."
            )
        return self.quantile

    def _draw_params(self, random_state):
        self._adopt(np.zeros(self._count_params(), dtype=self.dtype))
        for layer, (fan_in, fan_out) in enumerate(pairwise(self.layer_sizes)):
            activation = self._activation_to_draw_for(layer)
            if activation in GLOROT_FACTORS:
                bound = np.sqrt(GLOROT_FACTORS[activation] / (fan_in + fan_out))
            else:
                bound = np.sqrt((LECUN_FACTOR if activation == "selu" else HE_FACTOR) / fan_in)
            self.coefs[layer][...] = random_state.uniform(-bound, bound, (fan_in, fan_out))
            if self.fit_intercept and activation in GLOROT_FACTORS:
                self.intercepts[layer][...] = random_state.uniform(-bound, bound, fan_out)

    def _activation_to_draw_for(self, layer):
        """The activation that a layer's initial weights suit."""
        if layer < len(self.hidden_activations):
            return self.hidden_activations[layer]
        # scikit-learn draws the output layer, too, for the hidden activation
        last = self.hidden_activations[-1] if self.hidden_activations else self.activation
        return last if last in GLOROT_FACTORS else "identity"

    def _adopt(self, params):
        """Make `params` the parameter vector, and the views that go with it."""
        self._params = params
        self._coefs, self._intercepts = self._split(params)

    def _split(self, flat):
        """Views of a vector in the layout of params: coefs, intercepts."""
        coefs, intercepts, start = [], [], 0
        for fan_in, fan_out in pairwise(self.layer_sizes):
            coefs.append(flat[start : start + fan_in * fan_out].reshape(fan_in, fan_out))
            start += fan_in * fan_out
        for fan_out in self.layer_sizes[1:] if self.fit_intercept else ():
            intercepts.append(flat[start : start + fan_out])
            start += fan_out
        return tuple(coefs), tuple(intercepts)

    @property
    def params(self):
        return self._params

    @params.setter
    def params(self, values):
        # net.params -= step assigns too; the vector itself stays, and so do the views
        self._params[...] = values

    @property
    def coefs(self):
        return self._coefs

    @property
    def intercepts(self):
        return self._intercepts

    @property
    def n_params(self):
        return self._params.size

    def forward(self, X):
        """Outputs of the network.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_outputs)
        """
        outputs = self._outputs_if_sound(X)
        return self._outputs(self._check_inputs(X)) if outputs is None else outputs

    def _outputs_if_sound(self, X):
        """forward for a plain array that needs no conversion, checked in the call; else None."""
        # A structured array would pass the compiled call's test of the dtype by its first field.
        if type(X) is not np.ndarray or X.ndim != 2 or X.dtype != self.dtype:
            return None
        outputs = np.empty((len(X), self.layer_sizes[-1]), self.dtype)
        try:
            return outputs if self._forward_dense(self._plan, self._params, X, outputs) else None
        except ValueError:  # another order or byte order
            return None

    def _outputs(self, X):
        """forward for an X that has been checked."""
        outputs = np.empty((X.shape[0], self.layer_sizes[-1]), dtype=self.dtype)
        _kernels.core.forward(self._plan, self._params, kernel_samples(X), outputs)
        return outputs

    def activations(self, X):
        """Activations of every layer.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)

        Returns
        -------
        list of ndarray
            X itself, then (n_samples, fan_out) for each hidden layer and the output.
        """
        X = self._check_inputs(X)
        n, hidden_sizes = X.shape[0], self.layer_sizes[1:-1]
        outputs = np.empty((n, self.layer_sizes[-1]), dtype=self.dtype)
        hidden = np.empty(n * sum(hidden_sizes), dtype=self.dtype)
        _kernels.core.forward(self._plan, self._params, kernel_samples(X), outputs, hidden)
        ends = np.cumsum([n * size for size in hidden_sizes])[:-1]
        layers = np.split(hidden, ends) if hidden_sizes else []
        return [X, *(a.reshape(n, -1) for a in layers), outputs]

    def loss(self, X, y, sample_weight=None):
        """The objective J.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
        y : array-like of shape (n_samples, n_outputs) or (n_samples,)
            Targets. A vector is one output; for softmax outputs it holds integer labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights >= 0; ones by default.

        Returns
        -------
        float
        """
        samples = self._samples(X, y, sample_weight)
        evaluator = _kernels.core.Evaluator(self._plan, samples, self.l2, self.l1, gradient=False)
        return evaluator.evaluate(self._params)

    def loss_gradient(self, X, y, sample_weight=None):
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
        evaluator = _kernels.core.Evaluator(self._plan, samples, self.l2, self.l1)
        loss = evaluator.evaluate(self._params, grad)
        return LossGradient(loss, grad, *self._split(grad))

    def per_sample_gradients(self, X, y):
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
        _kernels.core.per_sample_gradients(self._plan, self._params, samples, grads)
        return grads

    def per_sample_gradient_norms(self, X, y):
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
            # entries of the same column count as one, which the sum of their squares is not
            check_storage(X)
            X = X.tocsr(copy=True)
            X.sum_duplicates()
        samples = self._samples(X, y, None)
        square_norms = np.empty(len(samples))
        _kernels.core.per_sample_square_norms(self._plan, self._params, samples, square_norms)
        return np.sqrt(square_norms)

    def input_gradient(self, X, y):
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
        _kernels.core.input_gradients(self._plan, self._params, samples, grads)
        return grads

    def jacobian(self, X):
        """Derivatives of the outputs by the parameters.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_outputs, n_params)
        """
        return self._jacobian(X, self.n_params, by_inputs=False)

    def input_jacobian(self, X):
        """Derivatives of the outputs by the inputs.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_outputs, n_features)
        """
        return self._jacobian(X, self.layer_sizes[0], by_inputs=True)

    def _jacobian(self, X, width, by_inputs):
        X = self._check_inputs(X)
        n, n_outputs = X.shape[0], self.layer_sizes[-1]
        outputs = np.empty((n, n_outputs), dtype=self.dtype)
        rows = np.empty((n * n_outputs, width), dtype=self.dtype)
        both = (None, rows) if by_inputs else (rows, None)
        _kernels.core.output_jacobian(self._plan, self._params, kernel_samples(X), outputs, *both)
        return rows.reshape(n, n_outputs, width)

    def _check_inputs(self, X):
        X = as_matrix(X, self.dtype)
        if X.shape[1] != self.layer_sizes[0]:
            raise ValueError(
                f"X has {X.shape[1]} features, but this Network has {self.layer_sizes[0]} inputs."
            )
        return X

    def _samples(self, X, y, sample_weight):
        """The kernels' Samples of a user's arrays, checked."""
        X = self._check_inputs(X)
        n, n_outputs = X.shape[0], self.layer_sizes[-1]
        weights = as_weights(sample_weight, n, self.dtype)
        if self.output_activation == "softmax" and _are_labels(y):
            return kernel_samples(X, as_labels(y, n, n_outputs), weights)
        one_for_all = self.loss_name == "quantile" and isinstance(self.quantile, tuple)
        if one_for_all and n_outputs > 1 and np.size(y) == n:
            targets = as_targets(y, n, 1, self.dtype).repeated(n_outputs)
        else:
            targets = as_targets(y, n, n_outputs, self.dtype)
        if self.loss_name in LOSSES_WITH_BOUNDED_TARGETS or self.label_smoothing:
            check_target_range(targets, self.loss_name, self.output_activation)
        return kernel_samples(X, targets, weights)

    def _changed(self, **settings):
        """A copy with other settings (not sizes); its parameters are this one's."""
        names = inspect.signature(self._configure).parameters
        current = {name: getattr(self, "loss_name" if name == "loss" else name) for name in names}
        twin = self.__class__.__new__(self.__class__)
        twin.layer_sizes = self.layer_sizes
        twin._configure(**current | settings)
        twin._adopt(self._params.astype(twin.dtype))
        return twin

    def __getstate__(self):
        state = self.__dict__.copy()
        for rebuilt in ("_plan", "_forward_dense", "_coefs", "_intercepts"):
            del state[rebuilt]
        return state

    def __setstate__(self, state):
        # Checked as the constructor's arguments are: the kernels trust sizes and dtype.
        settings = {
            "loss_name" if name == "loss" else name: name
            for name in inspect.signature(self._configure).parameters
        }
        for name in ("layer_sizes", *settings, "_params"):
            if name not in state:
                raise ValueError(f"The state of a Network is incomplete: it has no {name!r}.")
        self.layer_sizes = _as_network_sizes(state["layer_sizes"])
        self._configure(**{name: state[attribute] for attribute, name in settings.items()})
        self._adopt(self._as_params(state["_params"]))

    def _as_params(self, params):
        """A vector of parameters from elsewhere, in this machine's byte order."""
        n_params = self._count_params()
        if (
            not isinstance(params, np.ndarray)
            or params.shape != (n_params,)
            or params.dtype.newbyteorder("=") != self.dtype
        ):
            shape, dtype = getattr(params, "shape", None), getattr(params, "dtype", type(params))
            raise ValueError(
                f"The parameters have shape {shape} and dtype {dtype}; layers of the sizes "
                f"{list(self.layer_sizes)} need shape ({n_params},) and dtype {self.dtype}."
            )
        return np.require(params, dtype=self.dtype, requirements=["C", "A", "W", "E"])

    def _count_params(self):
        fans = pairwise(self.layer_sizes)
        return sum((fan_in + self.fit_intercept) * fan_out for fan_in, fan_out in fans)

    def __deepcopy__(self, memo):
        twin = self.__class__.__new__(self.__class__)
        twin.__setstate__(copy.deepcopy(self.__getstate__(), memo))
        return twin

    __copy__ = copy.deepcopy

    def _unusual(self):
        """Those of the rarer settings that are not the default, for repr."""
        defaults = {"l1": 0.0, "label_smoothing": 0.0, "huber_delta": 1.0, "quantile": 0.5}
        changed = {name: getattr(self, name) for name in defaults}
        return "".join(
            f"{name}={value!r}, " for name, value in changed.items() if value != defaults[name]
        )

    def __repr__(self):
        return (
            f"Network({list(self.layer_sizes)}, activation={self.activation!r}, "
            f"output_activation={self.output_activation!r}, loss={self.loss_name!r}, "
            f"loss_scale={self.loss_scale:g}, reduction={self.reduction!r}, l2={self.l2:g}, "
            f"{self._unusual()}"
            f"fit_intercept={self.fit_intercept}, dtype={self.dtype.name!r})"
        )


def _as_network_sizes(layer_sizes):
    sizes = tuple(as_layer_sizes(layer_sizes))
    if len(sizes) < 2:
        raise ValueError(
            f"layer_sizes must name at least n_features and n_outputs, got {list(sizes)}."
        )
    return sizes


def as_hidden_activations(activation, n_hidden_layers):
    """The names of the hidden layers' activations, checked: of one name, or one name per layer."""
    allowed = _kernels.core.ACTIVATIONS
    if isinstance(activation, str):
        return (_one_of("activation", activation, allowed),) * n_hidden_layers
    if not np.iterable(activation):
        raise TypeError(
            f"activation must be a name or a list of names, one per hidden layer, got "
            f"{activation!r}; the names are {', '.join(map(repr, allowed))}."
        )
    names = list(activation)
    for layer, name in enumerate(names):
        _one_of(f"activation[{layer}]", name, allowed)
    if len(names) != n_hidden_layers:
        if len(names) < n_hidden_layers:
            difference = f"hidden layer {len(names)} has none"
        else:
            difference = f"activation[{n_hidden_layers}]={names[n_hidden_layers]!r} has no layer"
        raise ValueError(
            f"activation={names} names {len(names)} activations for {n_hidden_layers} hidden "
            f"layers: {difference}. Give one name for all, or one per hidden layer, of "
            f"{', '.join(map(repr, allowed))}."
        )
    return tuple(names)


def _as_tuple(names):
    return tuple(names) if np.iterable(names) else names


def as_quantiles(quantile):
    """A float in (0, 1), or a tuple of increasing ones."""
    if not np.iterable(quantile):
        return _number("quantile", quantile, lowest=0, included=False, below=1)
    quantiles = tuple(
        _number(f"quantile[{k}]", value, lowest=0, included=False, below=1)
        for k, value in enumerate(quantile)
    )
    if not quantiles or any(one >= next_one for one, next_one in pairwise(quantiles)):
        raise ValueError(
            f"quantile={list(quantiles)} must name one or more quantiles in increasing order."
        )
    return quantiles


def check_smoothing(label_smoothing, loss, output_activation):
    """ValueError where label smoothing has no meaning."""
    if label_smoothing and not (loss in SMOOTHED_LOSSES and output_activation in SMOOTHED_OUTPUTS):
        raise ValueError(
            f"label_smoothing={label_smoothing:g} needs loss='log_loss' or 'squared_error' and "
            f"output_activation='logistic' or 'softmax', got loss={loss!r} and "
            f"output_activation={output_activation!r}; set label_smoothing=0."
        )


def check_pair(loss, output_activation):
    """ValueError for a loss that is undefined at an output's values."""
    if not isinstance(loss, str):
        return
    reason = UNDEFINED_PAIRS.get((loss, output_activation))
    if reason:
        fitting = [
            output for output in _kernels.core.OUTPUTS if (loss, output) not in UNDEFINED_PAIRS
        ]
        raise ValueError(
            f"loss={loss!r} is undefined for output_activation={output_activation!r}: {reason}; "
            f"use {' or '.join(map(repr, fitting))}."
        )


def _are_labels(y):
    return y is not None and not sparse.issparse(y) and np.ndim(y) == 1 and _is_integer(y)


def _is_integer(y):
    return np.issubdtype(np.asarray(y).dtype, np.integer)


def _one_of(name, value, allowed):
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{name}={value!r} is not one of {', '.join(map(repr, allowed))}.")
    return value


def _checked_loss(loss):
    if isinstance(loss, str) or loss is None:
        return _one_of("loss", loss, _kernels.core.LOSSES)
    if isinstance(loss, type) or not all(
        callable(getattr(loss, method, None)) for method in ("loss", "gradient")
    ):
        raise TypeError(
            f"loss={loss!r} is neither one of {', '.join(map(repr, _kernels.core.LOSSES))} nor an "
            "instance of a class with the methods loss(y, outputs) and gradient(y, outputs)."
        )
    return loss


def _number(name, value, lowest, included=True, below=np.inf):
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, got {value!r}.")
    if not (lowest <= value < below if included else lowest < value < below):
        end = "finite" if below == np.inf else f"< {below}"
        raise ValueError(
            f"{name} must be {end} and {'>=' if included else '>'} {lowest}, got {value!r}."
        )
    return float(value)


def _float_dtype(dtype):
    try:
        resolved = None if dtype is None else np.dtype(dtype)
    except TypeError:
        resolved = None
    if resolved not in (np.float64, np.float32):
        raise ValueError(f"dtype={dtype!r} is not one of 'float64', 'float32'.")
    return resolved.newbyteorder("=")


def _as_random_state(seed):
    if isinstance(seed, np.random.RandomState):
        return seed
    if seed is None:
        return np.random
    if not isinstance(seed, Integral) or isinstance(seed, bool):
        raise TypeError(f"random_state must be None, an int or a numpy RandomState, got {seed!r}.")
    if not 0 <= seed < 2**32:
        raise ValueError(f"random_state must be between 0 and 2**32 - 1, got {seed!r}.")
    return np.random.RandomState(seed)
