"""Which rows each member of an ensemble keeps out of its training.

The rows are dealt out into folds at random. Member 0 holds fold 0 out, member 1 fold 1, and so on;
when all folds have been used, the rows are dealt out anew. So each member trains on the same share
of the rows however many members there are, a single one is validated on one fold, and a member is
the same whatever number of others follow it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Split = tuple[NDArray[np.intp], NDArray[np.intp]]


def deal_out(
    codes: NDArray[np.intp] | None,
    n_samples: int,
    n_folds: int,
    random_state: np.random.RandomState,
) -> NDArray[np.intp]:
    """The fold of each row; their sizes differ by 1 at most.

    Parameters
    ----------
    codes : ndarray of shape (n_samples,) or None
        Classes. Each is spread over the folds as evenly as it can be, be it ever so rare.
    n_samples, n_folds : int
    random_state : numpy RandomState
    """
    order = random_state.permutation(n_samples)
    if codes is not None:
        order = order[np.argsort(codes[order], kind="stable")]
    fold = np.empty(n_samples, np.intp)
    fold[order] = np.arange(n_samples) % n_folds
    return fold


def make_splits(
    codes: NDArray[np.intp] | None,
    n_samples: int,
    n_members: int,
    n_folds: int,
    random_state: np.random.RandomState,
) -> list[Split]:
    """(rows to train on, rows held out) of each member.

    Raises
    ------
    ValueError
        For a single row, which cannot be both.
    """
    if n_samples < 2:
        raise ValueError(
            f"n_samples={n_samples}: at least 2 rows are needed, to train on one and to validate "
            "on the other."
        )
    n_folds = min(n_folds, n_samples)
    splits: list[Split] = []
    for k in range(n_members):
        if k % n_folds == 0:
            fold = deal_out(codes, n_samples, n_folds, random_state)
        is_held_out = fold == k % n_folds
        splits.append((np.flatnonzero(~is_held_out), np.flatnonzero(is_held_out)))
    return splits
