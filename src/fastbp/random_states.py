"""Sources of random numbers for a fit, as the parameter ``random_state`` asks.

For an int, scikit-learn makes a RandomState. That takes 100 us, nearly all of it to collect entropy
that the seed then replaces. Here one that an earlier fit has left is seeded again, in 3 us: the
same numbers, since a seed sets all of its state.
"""

from __future__ import annotations

import numbers
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from sklearn.utils import check_random_state

from .types import RandomState

_spare: list[np.random.RandomState] = []  # appended to and popped from by any thread


@contextmanager
def random_source(random_state: RandomState) -> Iterator[np.random.RandomState]:
    """A RandomState for the time of a fit; it must not be kept longer."""
    if not isinstance(random_state, numbers.Integral):
        yield check_random_state(random_state)
        return
    try:
        source = _spare.pop()
    except IndexError:
        source = np.random.RandomState()
    try:
        source.seed(random_state)
        yield source
    finally:
        _spare.append(source)
