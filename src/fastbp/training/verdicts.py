"""What is wrong with a fit that has ended.

Takes a Run; returns the text of a warning: why the solver has not converged, if it has not, what to
scale, and with both numbers whether the fit is

    worse than a constant     its loss is more than WORSE times that of the best constant prediction
    far above its first loss  its loss is more than FAR times that of its first epoch or iteration

All losses are of the training samples. The final one is without penalty and dropout, so that a
strong penalty, which makes the prediction nearly constant, is no failure. It is computed only where
the recorded loss looks bad: a fit that went well pays for the constant alone, a pass over y.

The constant is the statistic of y that the loss's record names. The loss of any constant is at
least that of the best one, so one that is only close can hide a failure, but never invent one.

Of a stream, the training samples are those that are in the buffer at the end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data import DataSet
from ..network import Network
from ..objective import OUTPUTS, loss_record
from ..types import FloatArray
from . import scales

if TYPE_CHECKING:
    from .run import Run

# Steps of a stochastic solver keep the loss a few per cent above its minimum, which is the
# constant's where X says nothing about y.
WORSE = 1.1
# The entropy of a rare class is small, and nobody waits for probabilities to come that close to it.
# This is more than a fit that is right about the frequent ones has above the constant. A logarithm
# of a likelihood has no scale of its own anyway.
LEAST_EXCESS_OF_LIKELIHOODS = 0.2
FAR = 2.0
# Probabilities, rates and differences of quantiles that are 0 cannot be reached by an output.
SMALLEST = 1e-12

# Settings of a network without hidden layers that is trained on the loss alone.
OF_CONSTANT: dict[str, Any] = {
    "activation": "identity",
    "loss_scale": 1.0,
    "reduction": "mean",
    "l2": 0.0,
    "l1": 0.0,
    "front": None,
    "n_periodic": None,
}


def complaint_about(run: Run) -> str:
    """What is wrong with a run that has ended, and what to scale; or nothing."""
    failure = _failure(run)
    if not (failure or run.complaint):
        return ""
    output = run.network.output_activation
    advice = scales.advice(run.data, output)
    if failure and not (advice or run.complaint):
        of_y = " and y (TransformedTargetRegressor)" * (output == "identity")
        advice = f" Scale X (StandardScaler){of_y}, or change learning_rate_init or max_iter."
    return f"{run.complaint}{failure}{advice}".lstrip()


def _failure(run):
    state = run.state
    # one epoch is no training yet; a user's callback or clock may end a run at any time
    if state.n_iter < 2 or run.is_incremental or run.monitor.was_ended:
        return ""
    if run.stream is not None and not run.stream.is_weighted:
        return ""
    first, last = state.loss_curve[-state.n_iter], state.loss_curve[-1]
    constant = loss_of_constant(run.network, run.data)
    bound = _bound(run.network, constant)
    if last <= bound and not last > FAR * first > 0:
        return ""
    # the samples of the run, since the user may have changed the matrix meanwhile
    evaluator = run.network.evaluator(
        run.samples, l2=0.0, gradient=False, n_threads=run.settings.n_threads
    )
    loss = evaluator.evaluate(run.network.params)
    if loss > bound:
        return (
            f" The fit is worse than predicting the same for every sample: its loss is {loss:.4g}, "
            f"that of the best constant {constant:.4g}."
        )
    if loss > FAR * first > 0 and loss - first > run.settings.tol:
        return f" The fit ended far above its first loss: at {loss:.4g}, after {first:.4g}."
    return ""


def _bound(network, constant):
    """Above it, a loss is worse than that of a constant."""
    is_likelihood = OUTPUTS[network.output_activation].gives_probabilities or (
        network.loss_name == "gaussian"
    )
    excess = (WORSE - 1) * abs(constant)
    return constant + (max(excess, LEAST_EXCESS_OF_LIKELIHOODS) if is_likelihood else excess)


def loss_of_constant(network: Network, data: DataSet) -> float:
    """The loss of the best prediction that is the same for all samples, without penalty.

    Infinite where it is unknown or no measure: for a user's own loss, for a network without
    intercepts, and for targets that are all the same where there is weight.
    """
    targets = data.targets
    values = targets.labels if targets.values is None else targets.values
    if data.weights is not None:
        values = values[data.weights > 0]
    statistic = loss_record(network.loss_name).best_constant
    if not (statistic and network.fit_intercept) or (values == values[0]).all():
        return np.inf
    constant = STATISTICS[statistic](data, network)
    # A network of nothing but intercepts has the same loss, output, smoothing and weights. Nothing
    # is drawn: a shared source of random numbers has a lock, which a fork could find taken.
    intercepts = _pre_activations(network.output_activation, constant)
    params = np.zeros(2 * targets.n_outputs, network.dtype)
    params[targets.n_outputs :] = intercepts
    twin = Network.__new__(Network)
    twin.__setstate__(
        {
            **network.__getstate__(),
            **OF_CONSTANT,
            "layer_sizes": (1, targets.n_outputs),
            "_params": params,
        }
    )
    inputs = DataSet(np.zeros((len(data), 1), network.dtype), data.y, targets, data.weights)
    evaluator = twin.evaluator(inputs.kernel_samples(), l2=0.0, gradient=False, n_threads=1)
    return evaluator.evaluate(twin.params)


def _mean(data, _=None):
    labels = data.targets.labels
    if labels is not None:
        counts = np.bincount(labels, data.weights, data.targets.n_outputs)
        return counts / counts.sum()
    if data.weights is None:
        return data.targets.values.mean(axis=0, dtype=np.float64)
    return np.average(data.targets.values, axis=0, weights=data.weights)


def _mean_and_variance(data, _):
    mean = _mean(data)
    squares = np.square(data.targets.values - mean)
    variance = np.average(squares, axis=0, weights=data.weights)
    # the last output is the logarithm of the variance
    return np.append(mean[:-1], np.log(max(variance[0], SMALLEST)))


def _quantiles(data, quantile):
    """(n_outputs,) weighted quantiles: one for all columns, or one for each."""
    values, weights = data.targets.values, data.weights
    order = np.argsort(values, axis=0)
    weights = np.ones(len(values)) if weights is None else weights
    shares = np.cumsum(weights[order], axis=0, dtype=np.float64)
    places = np.argmax(shares >= quantile * shares[-1], axis=0)
    columns = np.arange(values.shape[1])
    return values[order[places, columns], columns]


# By the names in the records of losses: callable (data, network) -> one constant an output.
STATISTICS: dict[str, Callable[[DataSet, Network], FloatArray]] = {
    "mean": _mean,
    "mean and variance": _mean_and_variance,
    "median": lambda data, network: _quantiles(data, 0.5),
    "quantile": lambda data, network: _quantiles(data, network.quantile),
}


def _pre_activations(output_activation, constant):
    """Intercepts that an output turns into these constants, as far as it can reach them."""
    constant = np.asarray(constant, np.float64)
    if output_activation == "identity":
        return constant
    if output_activation == "increasing":
        gaps = np.maximum(np.diff(np.maximum.accumulate(constant)), SMALLEST)
        return np.append(constant[0], gaps + np.log(-np.expm1(-gaps)))  # inverse of softplus
    if output_activation == "logistic":
        constant = np.clip(constant, SMALLEST, 1 - SMALLEST)
        return np.log(constant) - np.log1p(-constant)
    return np.log(np.maximum(constant, SMALLEST))  # softmax, exp
