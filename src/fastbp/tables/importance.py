"""What a table's columns contribute: how much worse predictions get without one of them.

The importance of a column is the mean, over rows that a network was not trained on, of

    loss with the column's values exchanged among the rows  -  loss as it is

over all networks. All encoded columns of a column of the table are exchanged together, so its
importance does not depend on how it is encoded. Breiman, "Random forests", Machine Learning 45
(2001). Columns that say the same share their importance: each can stand in for the other.

In a wide table, most of a loss would be spent on the sums of the first layer, of which a column
changes only its own part. Then these sums are kept, and the part alone is exchanged.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..network import Network
from ..types import Array, FloatArray, IntArray

# Rows of each network: enough for importances that matter. A table of many columns has fewer, so
# that all this takes at most about a tenth of the time of the fit.
MOST_ROWS, LEAST_ROWS, MOST_ROWS_TIMES_COLUMNS = 1000, 100, 40_000

# Inputs of the first layer, for each of its units, from which on its sums are kept.
WIDE = 2

# Inputs whose periodic features are computed at once.
BLOCK_OF_INPUTS = 256


def n_rows_used(n_rows: int, n_features: int) -> int:
    """How many of a network's rows its importances are computed from."""
    return min(n_rows, MOST_ROWS, max(LEAST_ROWS, MOST_ROWS_TIMES_COLUMNS // n_features))


def permutation_importances(
    cases: Iterable[tuple[Any, FloatArray, Array, FloatArray | None]],
    feature_of_column: IntArray,
    n_features: int,
    random_state: np.random.RandomState,
) -> FloatArray:
    """(n_features,) the mean increase of the loss.

    Parameters
    ----------
    cases : iterable of (network, X, y, weights)
        Networks, and for each encoded rows that it was not trained on; X may be written to.
    feature_of_column : ndarray of shape (n_columns,) of int
        The column of the table that each encoded column comes from.
    n_features : int
    random_state : numpy RandomState
    """
    increases = []
    columns = [np.flatnonzero(feature_of_column == j) for j in range(n_features)]
    for network, X, y, weights in cases:
        order = random_state.permutation(len(X))
        fan_in, fan_out = network.coefs[0].shape
        losses = _losses_by_sums if fan_in > WIDE * fan_out else _losses
        loss, exchanged = losses(network, X, y, weights, columns, order)
        increases.append(np.array(exchanged) - loss)
    return np.mean(increases, axis=0)


def _losses(network, X, y, weights, columns, order):
    """The loss, and for each set of columns the loss with their values in another order."""
    loss = network.loss(X, y, weights)
    losses = [loss] * len(columns)
    for j, places in enumerate(columns):
        kept = X[:, places]
        X[:, places] = kept[order]
        losses[j] = network.loss(X, y, weights)
        X[:, places] = kept
    return loss, losses


def _losses_by_sums(network, X, y, weights, columns, order):
    """The same up to rounding, by the sums of the first layer."""
    rest, coefs = _network_of_sums(network), network.coefs[0]
    inputs = _inputs_of_first_layer(network, X)
    sums = inputs @ coefs
    loss = rest.loss(sums, y, weights)
    losses = []
    for places in columns:
        rows = _rows_of_first_layer(network, places)
        part = inputs[:, rows]
        changes = (part[order] - part) @ coefs[rows]
        losses.append(rest.loss(sums + changes, y, weights))
    return loss, losses


def _network_of_sums(network):
    """The network as a function of the sums of its first layer, which it takes over unchanged."""
    _, *sizes = network.layer_sizes
    settings = network._settings() | {"front": None, "n_periodic": None, "l2": 0.0, "l1": 0.0}
    rest = Network([sizes[0], *sizes], **settings)
    rest.coefs[0][...] = np.eye(sizes[0])
    for own, its in zip(rest.coefs[1:], network.coefs[1:], strict=True):
        own[...] = its
    for own, its in zip(rest.intercepts, network.intercepts, strict=True):
        own[...] = its
    return rest


def _inputs_of_first_layer(network: Network, X: FloatArray) -> FloatArray:
    """What the front makes of X."""
    front = network.front_params
    if not front:
        return X
    inputs = np.empty((len(X), len(front["scale"])), X.dtype)
    n_features = X.shape[1]
    inputs[:, :n_features] = X
    if "phases" in front:
        n_periodic, _, n_components = front["weights"].shape
        for start in range(0, n_periodic, BLOCK_OF_INPUTS):
            block = slice(start, min(start + BLOCK_OF_INPUTS, n_periodic))
            turns = X[:, block, np.newaxis] * front["frequencies"][block] + front["phases"][block]
            waves = np.cos((2 * np.pi) * turns).swapaxes(0, 1) @ front["weights"][block]
            features = waves.swapaxes(0, 1) + front["intercepts"][block]
            ends = [n_features + n_components * end for end in (block.start, block.stop)]
            inputs[:, slice(*ends)] = features.reshape(len(X), -1)
    inputs *= front["scale"]
    return inputs


def _rows_of_first_layer(network: Network, columns: Sequence[int] | IntArray) -> IntArray:
    """The inputs of the first layer that come from columns of X."""
    weights = network.front_params.get("weights")
    columns = np.asarray(columns, dtype=np.intp)
    if weights is None:
        return columns
    n_periodic, _, n_components = weights.shape
    periodic = columns[columns < n_periodic, np.newaxis] * n_components + np.arange(n_components)
    return np.concatenate([columns, network.layer_sizes[0] + periodic.reshape(-1)])
