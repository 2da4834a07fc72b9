"""Reader: a thread that reads one epoch of a user's batches while the network is trained.

Takes the function that returns a fresh iterator; hands over what it yields, in the same order. The
thread runs the user's code and copies the arrays, so that the user may fill the same ones again,
and so that the pages of a memory map are read there. It makes arrays of pandas' tables. All checks
are made by the thread that trains, which has the user's warnings and stack. What waits to be taken
is bounded by a number of rows; it is taken all at once.

A Reader has a lock and a thread of its own; the module has none, so that a fork finds nothing
taken.
"""

from __future__ import annotations

import contextvars
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import sklearn
from scipy import sparse

from ..types import Array

# Seconds. A wait without end could not be interrupted by Ctrl-C on Windows.
GLANCE = 0.1
# Seconds that close waits for the user's code to return. A source that blocks for longer keeps its
# thread, which ends as soon as it returns.
PATIENCE = 5.0

END = object()


class Reader:
    """One epoch of batches.

    The thread runs from ``start``, or the first ``take``, on. By then whoever is to ``close`` the
    Reader has it, so that no Ctrl-C leaves a thread that nobody ends.

    Parameters
    ----------
    open_batches : callable of no arguments
        Returns an iterable. It is called in the thread.
    rows_ahead : int
        The thread waits once so many rows wait to be taken; at least one batch is always read
        ahead. Can be set later.
    """

    def __init__(self, open_batches: Callable[[], Any], rows_ahead: int = 0) -> None:
        self._changed = threading.Condition(threading.Lock())
        self._waiting: list[Any] = []
        self._n_waiting = 0  # rows
        self._taken: deque[Any] = deque()  # of the thread that trains
        self._rows_ahead = rows_ahead
        self._error: BaseException | None = None
        self._is_started = self._has_ended = self._is_closed = False
        context, config = contextvars.copy_context(), sklearn.get_config()

        def read():
            with sklearn.config_context(**config):
                self._read(open_batches)

        self._thread = threading.Thread(
            target=context.run, args=(read,), name="fastbp reader", daemon=True
        )

    def start(self) -> None:
        """Begin to read, unless that has begun."""
        if not self._is_started:
            self._is_started = True
            try:
                self._thread.start()
            except RuntimeError:  # there can be no more threads
                self._is_started = False
                raise

    @property
    def rows_ahead(self) -> int:
        return self._rows_ahead

    @rows_ahead.setter
    def rows_ahead(self, value: int) -> None:
        with self._changed:
            self._rows_ahead = value
            self._changed.notify_all()

    def take(self) -> Any:
        """The next batch, or END; raises what the user's code has raised, after all batches."""
        self.start()
        if not self._taken:
            # all at once: each change of threads takes some time
            with self._changed:
                while not (self._waiting or self._has_ended):
                    self._changed.wait(GLANCE)
                self._taken.extend(self._waiting)
                self._waiting, self._n_waiting = [], 0
                self._changed.notify_all()
        if self._taken:
            return self._taken.popleft()
        error, self._error = self._error, None
        if error is not None:
            raise error
        return END

    def close(self) -> None:
        """End the thread. It closes the iterator, once the user's code has returned."""
        with self._changed:
            self._is_closed = True
            self._waiting = []
            self._changed.notify_all()
            # Not Thread.join: an interrupt in it makes Python before 3.13 take a thread for ended.
            latest = time.monotonic() + PATIENCE
            while self._is_started and not self._has_ended and time.monotonic() < latest:
                self._changed.wait(GLANCE)
        if self._has_ended:
            self._thread.join()

    def _read(self, open_batches):
        error = None
        try:
            opened = open_batches()
            if not (hasattr(opened, "__iter__") or hasattr(opened, "__getitem__")):
                raise TypeError(
                    f"batches() has returned {opened!r}; it must return an iterator over (X, y) or "
                    "(X, y, sample_weight), as a function with yield does."
                )
            iterator = iter(opened)
            try:
                for batch in iterator:
                    if not self._put(detached(batch)):
                        break
            finally:
                close = getattr(iterator, "close", None)
                if callable(close):
                    close()
        except BaseException as raised:  # it goes to the thread that trains, whatever it is
            error = raised
        with self._changed:
            self._error, self._has_ended = error, True
            self._changed.notify_all()

    def _put(self, batch):
        """Let a batch wait until it is taken; False once nobody will take any."""
        n_rows = n_rows_of(batch)
        with self._changed:
            while self._waiting and self._n_waiting >= self._rows_ahead and not self._is_closed:
                self._changed.wait()
            if self._is_closed:
                return False
            self._waiting.append(batch)
            self._n_waiting += n_rows
            self._changed.notify_all()
        return True


def detached(batch: Any) -> Any:
    """A batch whose arrays nobody else has; what is no tuple or list is left as it is."""
    if not isinstance(batch, tuple | list):
        return batch
    parts = [_detached_array(part) for part in batch]
    # only X has names of columns that count
    others = [part.values if isinstance(part, Frame) else part for part in parts[1:]]
    return (*parts[:1], *others)


def _detached_array(part):
    if isinstance(part, np.ma.MaskedArray) or sparse.issparse(part):
        return part.copy()
    if isinstance(part, np.ndarray):
        return np.array(part)  # a memory map becomes an array
    if type(part).__module__.partition(".")[0] == "pandas":
        return _detached_table(part)
    return part


def _detached_table(table):
    # The conversion of a table takes as long as small networks take to train on it: here it costs
    # no time. What is no plain number is left to the checks.
    dtypes = [table.dtype] if table.ndim == 1 else list(table.dtypes)
    if not dtypes or not all(getattr(dtype, "kind", "O") in "iuf" for dtype in dtypes):
        return table.copy()
    if not all(isinstance(dtype, np.dtype) for dtype in dtypes):
        return table.copy()
    array = np.array(table.to_numpy(), order="C")
    return array if table.ndim == 1 else Frame(array, table.iloc[:0])


@dataclass(frozen=True)
class Frame:
    """A pandas DataFrame of numbers: an array, and the table without its rows."""

    values: Array
    empty: Any

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values.shape

    def table(self) -> Any:
        """The DataFrame."""
        return type(self.empty)(self.values, columns=self.empty.columns)


def n_rows_of(batch: Any) -> int:
    """Rows of a batch; 1 where it does not say."""
    try:
        X = batch[0]
        return int(X.shape[0]) if hasattr(X, "shape") else len(X)
    except (TypeError, IndexError, KeyError, AttributeError):
        return 1
