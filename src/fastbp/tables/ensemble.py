"""The members of an ensemble, trained side by side in threads, all on the same arrays.

Takes unfitted networks, one table of encoded rows, and which of them each member trains on; leaves
the networks fitted. An epoch is compiled work without the GIL, so plain Python threads use as many
cores as there are. No member sees another, and none draws from another's random numbers: their
number of threads, and the order in which they happen to train, change no bit.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sklearn.exceptions import ConvergenceWarning

from ..fit_data import NO_ARRAYS, Arrays
from ..fits import fit_member
from ..threads import allowed
from ..types import Array, FloatArray
from ..user_warnings import warn
from .folds import Split

# Seconds after which a waiting thread looks for Ctrl-C where the system does not wake it up.
LONGEST_WAIT = 0.1


@dataclass(frozen=True)
class EncodedTable:
    """What all members are given.

    Attributes
    ----------
    X : ndarray of shape (n_samples, n_columns) of float32
    y : ndarray
        Codes of classes, or scaled numbers.
    weights : ndarray of shape (n_samples,) or None
    validation : (X, y, weights), each an array or None
        The user's validation samples, encoded in the same way.
    """

    X: FloatArray
    y: Array
    weights: FloatArray | None
    validation: Arrays = NO_ARRAYS


def train_members(
    members: Sequence[Any],
    table: EncodedTable,
    splits: Sequence[Split | None],
    *,
    n_threads: int | None = None,
    max_time: float | None = None,
    ends_of_waves: Sequence[int] = (),
    after_member: Callable[[int], None] | None = None,
) -> None:
    """Fit each member on its rows.

    Parameters
    ----------
    members : sequence of BackpropClassifier or BackpropRegressor
    table : EncodedTable
    splits : sequence of (rows to train on, rows held out), or of None
        None: all rows, with the table's validation samples.
    n_threads : int or None, default=None
        In all. None: as many as this process may use.
    max_time : float or None, default=None
        Seconds for all members. Each has at least one epoch.
    ends_of_waves : sequence of int, default=()
        Epochs in which a member ends if the wave before, which is over, was worse than those
        before it.
    after_member : callable, default=None
        Called with the number of a member that has been fitted.

    Raises
    ------
    KeyboardInterrupt
        If the user has interrupted, and some member has no epoch yet. Otherwise members keep what
        they have reached, and there is a warning.
    """
    n_threads = allowed() if n_threads is None else n_threads
    n_workers = max(1, min(n_threads, len(members)))
    for member in members:
        member.n_threads = max(1, n_threads // n_workers)
    crew = _Crew(members, table, splits, n_workers, max_time, ends_of_waves, after_member)
    try:
        crew.work_in_threads()
    except KeyboardInterrupt:
        crew.stop()
        if not all(hasattr(member, "network_") for member in members):
            raise
        warn("Training interrupted by user.")
    if crew.errors:
        raise crew.errors[0]
    if crew.is_out_of_time:
        warn(
            f"Training stopped after max_time={max_time:g} seconds; the optimization hasn't "
            "converged yet.",
            ConvergenceWarning,
        )


def is_worse_wave(losses: Sequence[float], ends: Sequence[int]) -> bool:
    """Whether a wave has just ended whose least loss is above that of the waves before it."""
    n_epochs, n_before = len(losses), max((end for end in ends if end < len(losses)), default=0)
    return n_epochs in ends and 0 < n_before and min(losses[n_before:]) > min(losses[:n_before])


class _Crew:
    """Threads that fit members, each the next one that nobody has begun."""

    def __init__(self, members, table, splits, n_workers, max_time, ends_of_waves, after_member):
        self._members, self._table, self._splits = members, table, splits
        self._n_workers, self._after_member = n_workers, after_member
        self._ends_of_waves = ends_of_waves
        self._latest = None if max_time is None else time.monotonic() + max_time
        self._waiting = deque(range(len(members)))
        self._is_stopped = False
        self._n_running, self._lock, self._all_ended = (
            n_workers,
            threading.Lock(),
            threading.Event(),
        )
        self.is_out_of_time = False
        self.errors: list[BaseException] = []

    def work_in_threads(self):
        self._threads = [
            threading.Thread(target=self._work, name=f"fastbp-member-{k}", daemon=True)
            for k in range(self._n_workers)
        ]
        for k, thread in enumerate(self._threads):
            try:
                thread.start()
            except RuntimeError:  # there can be no more threads; those that run do all the work
                if k == 0:
                    raise
                self._ended(len(self._threads) - k)
                break
        self._wait()

    def _wait(self):
        # Not Thread.join: an interrupt in it makes Python before 3.13 take a thread for ended.
        while not self._all_ended.wait(LONGEST_WAIT):
            pass

    def _ended(self, n_threads=1):
        with self._lock:
            self._n_running -= n_threads
            if self._n_running == 0:
                self._all_ended.set()

    def stop(self):
        """End the members in work at the end of their epochs; the others do not begin."""
        self._is_stopped = True
        self._wait()

    def _work(self):
        try:
            self._fit_next()
        finally:
            self._ended()

    def _fit_next(self):
        while not self._is_stopped:
            try:
                k = self._waiting.popleft()
            except IndexError:
                return
            try:
                self._fit(k)
            except BaseException as error:
                self.errors.append(error)
                self._is_stopped = True

    def _fit(self, k):
        member, table = self._members[k], self._table
        latest = None
        if self._latest is not None:
            now = time.monotonic()
            rounds = -(-(1 + len(self._waiting)) // self._n_workers)
            latest = now + (self._latest - now) / rounds

        def after_epoch(state):
            if state.n_iter == member.max_iter:  # without the warning that there could be more
                return True
            if is_worse_wave(state.validation_loss_curve, self._ends_of_waves):
                return True
            if latest is not None and time.monotonic() >= latest:
                self.is_out_of_time = True
                return True
            return self._is_stopped

        arrays, split = (table.X, table.y, table.weights), self._splits[k]
        fit_member(
            member, arrays, table.validation if split is None else NO_ARRAYS, split, after_epoch
        )
        if self._after_member is not None:
            self._after_member(k)
