"""Network: layer sizes, an objective and a flat parameter vector; no scikit-learn in here.

The objective of every network is

    J = loss_scale * reduce_i [ w_i sum_k l(y_ik, yhat_ik) ] + l2 * sum_layers ||W||^2

where reduce is the mean (the sum divided by the sum of the weights) or the sum. `loss` returns
exactly J and `loss_gradient` exactly its gradient. Parameters are one flat vector: all
coefficients, layer after layer, each (fan_in, fan_out) in C order, then all intercepts;
`coefs` and `intercepts` are views of it.
"""

import copy
from dataclasses import dataclass
from itertools import pairwise
from numbers import Integral, Real

import numpy as np
from scipy import sparse

from . import _kernels
from .inputs import (
    as_labels,
    as_layer_sizes,
    as_matrix,
    as_targets,
    as_weights,
    check_target_range,
    kernel_samples,
)

UNDEFINED_PAIRS = {
    ("log_loss", "identity"): "its outputs are not probabilities",
    ("log_loss", "exp"): "its outputs are not probabilities",
    ("poisson", "identity"): "its outputs may be negative",
}


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
    activation : {'identity', 'logistic', 'tanh', 'relu'}, default='relu'
        Activation of the hidden layers. The derivative of relu at 0 is taken as 0.
    output_activation : {'identity', 'logistic', 'softmax', 'exp'}, default='identity'
        Function of the output layer.
    loss : {'squared_error', 'log_loss', 'poisson'}, default='squared_error'
        Loss l of one sample and output: ``(yhat - y)**2 / 2``; the negative log-likelihood,
        Bernoulli for logistic and multinomial for softmax outputs; half the Poisson deviance.
    loss_scale : float, default=1.0
        Factor of the data term, > 0.
    reduction : {'mean', 'sum'}, default='mean'
        Whether the weighted losses are divided by the sum of the weights.
    l2 : float, default=0.0
        Factor of the squared norm of all coefficients (not the intercepts), >= 0.
    fit_intercept : bool, default=True
        Whether layers have intercepts. Without, they are not parameters at all.
    dtype : {'float64', 'float32'}, default='float64'
        Type of parameters and arithmetic.
    random_state : int, RandomState instance or None, default=None
        Source of the initial parameters (Glorot uniform, as in scikit-learn's MLP).

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

    Raises
    ------
    ValueError
        For an unknown name, a size or factor out of range, or a loss that is undefined for the
        output (log_loss with identity or exp, poisson with identity).
    TypeError
        For a size that is not an integer.

    References
    ----------
    Rumelhart, Hinton and Williams, "Learning representations by back-propagating errors",
    Nature 323 (1986). Glorot and Bengio, "Understanding the difficulty of training deep
    feedforward neural networks", AISTATS (2010), for the initialisation.

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
        fit_intercept=True,
        dtype="float64",
        random_state=None,
    ):
        core = _kernels.core
        self.layer_sizes = tuple(as_layer_sizes(layer_sizes))
        if len(self.layer_sizes) < 2:
            raise ValueError(
                "layer_sizes must name at least n_features and n_outputs, got "
                f"{list(self.layer_sizes)}."
            )
        self.activation = _one_of("activation", activation, core.ACTIVATIONS)
        self.output_activation = _one_of("output_activation", output_activation, core.OUTPUTS)
        self.loss_name = _one_of("loss", loss, core.LOSSES)
        self.reduction = _one_of("reduction", reduction, ("mean", "sum"))
        check_pair(loss, output_activation)
        self.loss_scale = _number("loss_scale", loss_scale, lowest=0, included=False)
        self.l2 = _number("l2", l2, lowest=0)
        self.fit_intercept = bool(fit_intercept)
        self.dtype = _float_dtype(dtype)
        self._build_plan()
        self._draw_params(_as_random_state(random_state))

    def _build_plan(self):
        core = _kernels.core
        self._plan = core.Plan(
            self.layer_sizes,
            (core.ACTIVATIONS[self.activation],) * (len(self.layer_sizes) - 2),
            core.OUTPUTS[self.output_activation],
            core.LOSSES[self.loss_name],
            self.loss_scale,
            self.reduction == "mean",
            self.fit_intercept,
        )
        # the function for this dtype: to have it found at each call would take a microsecond
        self._forward_dense = core.forward_dense["float" if self.dtype == np.float32 else "double"]

    def _draw_params(self, random_state):
        shapes = list(pairwise(self.layer_sizes))
        n_coefs = sum(fan_in * fan_out for fan_in, fan_out in shapes)
        n_intercepts = sum(self.layer_sizes[1:]) if self.fit_intercept else 0
        self._adopt(np.empty(n_coefs + n_intercepts, dtype=self.dtype))
        factor = 2.0 if self.activation == "logistic" else 6.0
        for layer, (fan_in, fan_out) in enumerate(shapes):
            bound = np.sqrt(factor / (fan_in + fan_out))
            self.coefs[layer][...] = random_state.uniform(-bound, bound, (fan_in, fan_out))
            if self.fit_intercept:
                self.intercepts[layer][...] = random_state.uniform(-bound, bound, fan_out)

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
        if type(X) is not np.ndarray or X.ndim != 2:
            return None
        outputs = np.empty((len(X), self.layer_sizes[-1]), self.dtype)
        try:
            return outputs if self._forward_dense(self._plan, self._params, X, outputs) else None
        except (TypeError, ValueError):  # another dtype or order
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
        evaluator = _kernels.core.Evaluator(self._plan, samples, self.l2, gradient=False)
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
        loss = _kernels.core.Evaluator(self._plan, samples, self.l2).evaluate(self._params, grad)
        return LossGradient(loss, grad, *self._split(grad))

    def per_sample_gradients(self, X, y):
        """Gradient of each sample's own loss, ``loss_scale * sum_k l``.

        The penalty is not in it, and nothing is averaged: with ``l2=0`` and ``reduction="mean"``
        the mean over rows is the gradient of J.

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
        targets = as_targets(y, n, n_outputs, self.dtype)
        if self.loss_name != "squared_error":
            check_target_range(targets, self.loss_name, self.output_activation)
        return kernel_samples(X, targets, weights)

    def _changed(self, **attributes):
        """A copy with other attributes (not sizes); its parameters are this one's."""
        twin = copy.deepcopy(self)
        vars(twin).update(attributes)
        twin._adopt(twin._params.astype(twin.dtype, copy=False))
        twin._build_plan()
        return twin

    def __getstate__(self):
        state = self.__dict__.copy()
        for rebuilt in ("_plan", "_forward_dense", "_coefs", "_intercepts"):
            del state[rebuilt]
        return state

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._adopt(state["_params"])
        self._build_plan()

    def __deepcopy__(self, memo):
        twin = self.__class__.__new__(self.__class__)
        twin.__setstate__(copy.deepcopy(self.__getstate__(), memo))
        return twin

    __copy__ = copy.deepcopy

    def __repr__(self):
        return (
            f"Network({list(self.layer_sizes)}, activation={self.activation!r}, "
            f"output_activation={self.output_activation!r}, loss={self.loss_name!r}, "
            f"loss_scale={self.loss_scale:g}, reduction={self.reduction!r}, l2={self.l2:g}, "
            f"fit_intercept={self.fit_intercept}, dtype={self.dtype.name!r})"
        )


def check_pair(loss, output_activation):
    """ValueError for a loss that is undefined at an output's values."""
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


def _number(name, value, lowest, included=True):
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, got {value!r}.")
    if not (value >= lowest if included else value > lowest) or not np.isfinite(value):
        raise ValueError(
            f"{name} must be finite and {'>=' if included else '>'} {lowest}, got {value!r}."
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
