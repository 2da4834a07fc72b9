"""What a table's columns contribute: how much worse predictions get without one of them.

The importance of a column is the mean, over rows that a network was not trained on, of

    loss with the column's values exchanged among the rows  -  loss as it is

over all networks. All encoded columns of a column of the table are exchanged together, so its
importance does not depend on how it is encoded. Breiman, "Random forests", Machine Learning 45
(2001). Columns that say the same share their importance: each can stand in for the other.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..types import Array, FloatArray, IntArray

# Rows of each network: enough for importances that matter. A table of many columns has fewer, so
# that all this takes some hundredths of the time of the fit.
MOST_ROWS, LEAST_ROWS, MOST_ROWS_TIMES_COLUMNS = 1000, 100, 40_000


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
        loss = network.loss(X, y, weights)
        order = random_state.permutation(len(X))
        losses = np.full(n_features, loss)
        for j in range(n_features):
            kept = X[:, columns[j]]
            X[:, columns[j]] = kept[order]
            losses[j] = network.loss(X, y, weights)
            X[:, columns[j]] = kept
        increases.append(losses - loss)
    return np.mean(increases, axis=0)
