"""Stream: training on more rows than memory holds, through a shuffle buffer.

Takes checked parts of a user's batches, one after another; returns the rows to train on in rounds,
each an order of places in the buffer. A buffer has B places, a batch of the optimizer b rows:

    The first B rows of an epoch fill the places 0 to B - 1 in the order in which they are read.
    While there are more rows, the order of the B places is shuffled, and the rows in its first T
    places are trained. The next rows take these places, in that order. The order of the next round
    starts from the other places. T is B / 2 rounded down to whole batches, at least one batch.
    Once there are no more rows, the order of those that are left is shuffled; they are trained.

So every batch but the last of an epoch has b rows, each row is trained once an epoch, and neither
the sizes of the user's batches nor the time that reading takes has an effect on anything. Where the
buffer holds all rows, an epoch is one round whose order goes on from that of the epoch before: the
numbers are those of ``fit``, bit for bit. Elsewhere the order of each epoch starts anew.

While a round is trained, a thread reads the rows that take its places (reader.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from .. import _kernels
from ..checks import as_weights, check_weight_sum
from ..data import DataSet, Targets
from ..types import FloatArray
from .stochastic import largest_batch, shuffle

if TYPE_CHECKING:
    from .._kernels.core_baseline import Samples
    from .state import TrainingState

# What the buffer may take where the user does not say how many rows it has.
BUFFER_BYTES = 128 * 2**20
# Of sparse rows, whose size is not known before all are read.
SPARSE_ROWS = 100_000


class Source(Protocol):
    """Where a Stream gets its rows from; batches.py has one."""

    epoch: int  # the number that errors state

    def begin_epoch(self, epoch: int) -> None:
        """Start from the first batch."""

    def read_ahead(self) -> None:
        """Start to read the next epoch."""

    def limit(self, rows_ahead: int) -> None:
        """How many rows may be read before they are taken."""

    def take(self) -> Any:
        """The next part, which has an ``X``, a ``y`` and ``weights``; None at the end."""

    def encode(self, part: Any) -> DataSet:
        """The part as the network knows it."""

    def error(self, message: str) -> ValueError:
        """The error for an epoch that cannot be trained on."""


class Stream:
    """The rows of a fit, of which a buffer holds as many as it has places for.

    Has the attributes of a DataSet: those of the rows in the buffer.

    Parameters
    ----------
    source : Source
    buffer_rows : int or None
        Places of the buffer. None: as many as BUFFER_BYTES hold, but at least two batches.
    batch_size : int or 'auto'
        Rows of an optimizer step.

    Attributes
    ----------
    is_whole : bool
        Whether the buffer holds all rows.
    n_rows : int or None
        Of an epoch; None as long as nobody knows.
    weight_sum : float
        Of all rows; of those in the buffer as long as ``weight_sum_is_known`` is False.
    """

    y = None

    def __init__(self, source: Source, buffer_rows: int | None, batch_size: int | str) -> None:
        self._source, self._buffer_rows = source, buffer_rows
        self._batch_size = largest_batch(batch_size)
        if batch_size == "auto" and buffer_rows is not None:
            self._batch_size = min(self._batch_size, buffer_rows)
        self.is_whole = False
        self.n_rows: int | None = None
        self.X: Any = None
        self.targets: Any = None
        self.weights: FloatArray | None = None
        self._parts: list[Any] = []  # of the first epoch, before the buffer is filled
        self._pending: DataSet | None = None  # rows that have been read and have no place yet
        self.weight_sum: float = 0.0
        self.weight_sum_is_known = False
        self._n_read = 0  # rows of this epoch
        self._samples: Samples | None = None
        self._is_filled = False  # by the first rows of the epoch that comes next

    # --- before the first epoch ---

    def read_first(self) -> None:
        """Read as many parts as the buffer has places for; is_whole, if these are all."""
        self._parts, n = [], 0
        while (part := self._source.take()) is not None:
            if not self._parts and self._buffer_rows is None:
                self._buffer_rows = self._default_rows(part)
            self._parts.append(part)
            n += part.X.shape[0]
            places: Any = self._buffer_rows
            self._source.limit(self._round_rows(places))
            if n > places:
                break
        else:
            self.is_whole, self.n_rows = True, n
        if n == 0:
            raise self._source.error("batches has no rows")
        if not self.is_whole and places < self._batch_size:
            raise ValueError(
                f"buffer_rows={places} holds less than one batch of {self._batch_size} rows; use a "
                "larger buffer, or a smaller batch_size."
            )

    def count(self) -> None:
        """Read an epoch to its end, counting its rows, and start again."""
        n = sum(part.X.shape[0] for part in self._parts)
        self._parts = []
        while (part := self._source.take()) is not None:
            n += part.X.shape[0]
        self._source.begin_epoch(1)
        self.read_first()
        if self.is_whole:
            raise self._source.error(self._other_count(self.n_rows, n))
        self.n_rows = n

    def begin(self) -> None:
        """Fill the buffer for the first time, with what read_first has read."""
        first, n_read = self._source.encode(self._parts[0]), 0
        n = self.n_rows if self.is_whole else self._buffer_rows
        assert n is not None
        self._allocate(first, n)
        parts, self._parts = self._parts[::-1], []
        csr_rows = []
        while parts:
            data = first if n_read == 0 else self._source.encode(parts[-1])
            parts.pop()  # its memory is free now
            end = min(n, n_read + len(data))
            if end - n_read < len(data):
                self._pending = _rows(data, slice(end - n_read, None))
                data = _rows(data, slice(end - n_read))
            self._write(slice(n_read, end), data)
            if self.is_sparse:
                csr_rows.append(data.X)
            n_read = end
        if self.is_sparse:
            self.X = sparse.vstack(csr_rows, format="csr")
        self._n_read, self._is_filled = n_read, True
        if self.is_whole:
            as_weights(self.weights, n, self.X.dtype)
        # the weights of the first rows alone may be zero
        self.weight_sum_is_known = self.is_whole
        self.weight_sum = n if self.weights is None else self.weights.sum(dtype=np.float64) or 1.0

    def _default_rows(self, part):
        if sparse.issparse(part.X):
            return max(SPARSE_ROWS, 2 * self._batch_size)
        n_columns = part.X.shape[1] + (part.y.shape[1] if part.y.ndim == 2 else 1) + 1
        return max(BUFFER_BYTES // (n_columns * part.X.itemsize), 2 * self._batch_size)

    def _round_rows(self, places):
        """Rows of a round but the last."""
        half = places // 2
        return max(half - half % self._batch_size, self._batch_size)

    def _allocate(self, like: DataSet, n: int) -> None:
        def room_for(array):
            return None if array is None else np.empty((n, *array.shape[1:]), array.dtype)

        self.X = like.X if sparse.issparse(like.X) else room_for(like.X)
        targets = like.targets
        self.targets = Targets(
            room_for(targets.values), room_for(targets.labels), targets.n_outputs
        )
        self.weights = room_for(like.weights)

    @property
    def is_sparse(self) -> bool:
        return sparse.issparse(self.X)

    def _write(self, places, data):
        """Put rows into places of the buffer; sparse rows are put there all at once."""
        if not self.is_sparse:
            self.X[places] = data.X
        for name in ("values", "labels"):
            array = getattr(self.targets, name)
            if array is not None:
                array[places] = getattr(data.targets, name)
        if self.weights is not None:
            self.weights[places] = data.weights

    # --- as a DataSet ---

    def __len__(self) -> int:
        return self.X.shape[0]

    @property
    def is_weighted(self) -> bool:
        """Whether any row in the buffer has a weight above zero."""
        return self.weights is None or bool(self.weights.any())

    def _sum_of(self, places):
        return len(places) if self.weights is None else self.weights[places].sum(dtype=np.float64)

    def kernel_samples(self) -> Samples:
        """The buffer as the kernels read it, where it lies: nobody else has its arrays."""
        if self._samples is None:
            core, targets = _kernels.core, self.targets
            rest = (targets.values, targets.labels, targets.n_outputs, self.weights)
            if self.is_sparse:
                self._samples = core.csr_samples(
                    self.X.data,
                    self.X.indices.astype(np.intc),
                    self.X.indptr.astype(np.intp),
                    self.X.shape[1],
                    *rest,
                )
            else:
                self._samples = core.dense_samples(self.X, *rest)
        return self._samples

    # --- the rounds of an epoch ---

    def begin_epoch(self, state: TrainingState) -> None:
        """Read the first rows of an epoch into the buffer."""
        self._weights_of_epoch = 0.0
        self._last: Any = None  # places of the round before
        self._is_last_round = False
        if not self.is_whole:
            state.order[:] = np.arange(len(self))
        if not self._is_filled:
            self._pending, self._n_read = None, 0
            self._source.begin_epoch(state.n_iter + 1)
            self._refill(np.arange(len(self)))
        self._source.epoch = state.n_iter + 1
        self._is_filled = False

    def next_round(
        self, state: TrainingState, *, shuffles: bool, is_last_epoch: bool
    ) -> NDArray[np.intp] | None:
        """Places of the buffer in the order in which to train their rows; None after the last."""
        if self._is_last_round:
            return None
        order = state.order
        live = order
        if self._last is not None:
            n_new = self._refill(self._last)
            live = np.concatenate([order[len(self._last) :], self._last[:n_new]])
            if len(live) == len(order):
                order[:] = live
                live = order
        if self._has_more():
            n_rows = self._round_rows(len(self))
        else:
            self._check_count()
            if not is_last_epoch:
                self._source.read_ahead()
            self._is_last_round, n_rows = True, len(live)
        if shuffles:
            shuffle(live, state.random_state)
        places = live[:n_rows]
        self._last = places.copy()
        self._weights_of_epoch += self._sum_of(places)
        if self._is_last_round:
            self._end_epoch()
        return places

    def read_rest(self) -> None:
        """Read the epoch to its end, for the sum of the weights, where nothing is trained."""
        total = self.weight_sum
        while self._has_more():
            data: Any = self._pending
            total += data.weight_sum
            self._n_read += len(data)
            self._pending = None
        self.n_rows, self.weight_sum = self._n_read, total

    def _has_more(self):
        """Whether rows are left that have no place."""
        while self._pending is None:
            part = self._source.take()
            if part is None:
                return False
            self._pending = self._source.encode(part)
        if self.n_rows is not None and self._n_read >= self.n_rows:
            raise self._source.error(f"batches has more than {self.n_rows} rows now")
        return True

    def _refill(self, places):
        """Put the next rows into these places; returns how many there were."""
        n, csr_rows = 0, []
        while n < len(places) and self._has_more():
            data: Any = self._pending
            n_taken = min(len(data), len(places) - n)
            self._pending = None
            if n_taken < len(data):
                # a view: what follows is not copied again and again
                self._pending = _rows(data, slice(n_taken, None))
                data = _rows(data, slice(n_taken))
            self._write(places[n : n + n_taken], data)
            if self.is_sparse:
                csr_rows.append(data.X)
            n += n_taken
            self._n_read += n_taken
        if csr_rows:
            index = np.arange(len(self))
            index[places[:n]] = len(self) + np.arange(n)
            self.X = sparse.vstack([self.X, *csr_rows], format="csr")[index]
            self._samples = None
        return n

    def _check_count(self):
        if self._n_read == 0:
            raise self._source.error(
                "batches has no rows left: it must be a function that returns a new iterator each "
                "time it is called"
            )
        if self.n_rows is not None and self._n_read != self.n_rows:
            raise self._source.error(self._other_count(self._n_read, self.n_rows))

    @staticmethod
    def _other_count(now, before):
        return f"batches has {now} rows now, and had {before} before"

    def _end_epoch(self):
        self.n_rows, self.weight_sum_is_known = self._n_read, True
        self.weight_sum = self._weights_of_epoch
        if self.weights is not None:
            check_weight_sum(self.weight_sum)


def _rows(data, rows):
    weights = None if data.weights is None else data.weights[rows]
    values, labels = data.targets.values, data.targets.labels
    targets = Targets(
        None if values is None else values[rows],
        None if labels is None else labels[rows],
        data.targets.n_outputs,
    )
    return DataSet(data.X[rows], data.y, targets, weights)
