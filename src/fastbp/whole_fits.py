"""A fit happens as a whole or not at all, and an estimator has one at a time.

``whole_fit`` is the context of every method that fits: what an exception leaves unfinished is taken
back, and a second fit of the same estimator, by another thread or by a user's loss or scorer that
the first one calls, is refused.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

from sklearn.base import BaseEstimator


@contextmanager
def whole_fit(estimator: BaseEstimator) -> Iterator[None]:
    """Take back every attribute that was set before an exception.

    Raises
    ------
    RuntimeError
        If a fit of this estimator has begun and has not ended.
    """
    with _alone(estimator):
        before = vars(estimator).copy()
        try:
            yield
        except BaseException:
            # parameters are always there, since another thread may read them
            vars(estimator).update(before)
            for name in vars(estimator).keys() - before.keys():
                delattr(estimator, name)
            raise


class _Fit:
    """One call that fits an estimator."""


# id of an estimator: weak reference to the call that fits it. An interrupt may keep a call from
# removing its entry; the reference is dead then.
_FITS: dict[int, weakref.ref[_Fit]] = {}
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_FITS.clear)  # the threads that fit are not in the child


@contextmanager
def _alone(estimator: BaseEstimator) -> Iterator[None]:
    fit = _Fit()
    mine = weakref.ref(fit)
    try:
        if _FITS.setdefault(id(estimator), mine)() is None:
            _FITS[id(estimator)] = mine
        if _FITS[id(estimator)] is not mine:
            raise RuntimeError(
                f"This {type(estimator).__name__} is being fitted already, by another thread or "
                "by the code that calls this fit; fit a clone, or wait for the first fit."
            )
        yield
    finally:
        if _FITS.get(id(estimator)) is mine:
            del _FITS[id(estimator)]
