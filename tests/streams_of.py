"""Batches for the tests of fit_batches."""

import numpy as np


def batches_of(*arrays, size):
    """A function whose iterators yield so many rows of the arrays at a time."""
    n_rows = arrays[0].shape[0]

    def open_batches():
        for start in range(0, n_rows, size):
            yield tuple(array[start : start + size] for array in arrays)

    return open_batches


def uneven_batches_of(*arrays, seed=0, most=40):
    """Batches of 0 to `most` rows, other ones in each epoch."""
    n_rows = arrays[0].shape[0]
    rng = np.random.default_rng(seed)

    def open_batches():
        start = 0
        while start < n_rows:
            stop = start + rng.integers(0, most + 1)
            yield tuple(array[start:stop] for array in arrays)
            start = stop

    return open_batches
