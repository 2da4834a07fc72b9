"""A user's batches, checked: the source of a Stream.

Takes what a user passes as ``batches`` and the estimator that is fitted; returns the parts of an
epoch, checked as ``fit`` checks its arrays, and encodes them as the network knows them. What is
wrong is a BatchError that says in which batch and row. LabelCounts collects what a classifier has
to know of all targets: the classes, and how often each occurs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import is_classifier
from sklearn.utils import _safe_indexing
from sklearn.utils.multiclass import unique_labels

from .checks import as_weights, is_kernel_matrix, is_plain_target
from .classes import Classes, ClassWeights, check_labels, columns_of
from .data import DataSet
from .fit_data import as_column, check_arrays
from .front import check_dense
from .training.reader import END, Frame, Reader, n_rows_of
from .types import Array, Batches, FloatArray


class BatchError(ValueError):
    """A batch that cannot be used, or an epoch without the rows that it should have.

    Attributes
    ----------
    epoch : int
        Counted from 1, as ``n_iter_`` does.
    batch : int or None
        Its number in the epoch, counted from 0; None where no batch is to blame.
    row : int or None
        The first row in it that cannot be used, counted from 0; None where the whole batch cannot.
    """

    epoch: int
    batch: int | None
    row: int | None

    def __init__(
        self, message: str, epoch: int = 1, batch: int | None = None, row: int | None = None
    ) -> None:
        super().__init__(message, epoch, batch, row)
        self.epoch, self.batch, self.row = epoch, batch, row

    def __str__(self) -> str:
        where = f"Epoch {self.epoch}"
        if self.batch is not None:
            row = "" if self.row is None else f", row {self.row}"
            where += f", batch {self.batch}{row} (counted from 0)"
        return f"{where}: {self.args[0]}"


@dataclass(frozen=True)
class Part:
    """The rows of one batch, checked, but not yet encoded.

    Attributes
    ----------
    X, y, weights
        As in a DataSet.
    epoch, batch : int
        As in a BatchError.
    """

    X: Any
    y: Any
    weights: FloatArray | None
    epoch: int
    batch: int

    def first_rows(self, n: int) -> Part:
        weights = None if self.weights is None else self.weights[:n]
        return replace(self, X=self.X[:n], y=self.y[:n], weights=weights)


class CheckedBatches:
    """The source of a Stream: a user's batches, epoch by epoch.

    Parameters
    ----------
    estimator : BaseBackprop
        Its ``n_features_in_`` and ``feature_names_in_`` are set.
    batches : callable or iterable
        As the user passes it.
    dtypes : tuple
        Types that X may have; others become the first.
    resets : bool
        Whether the first batch says what features there are.
    labels : LabelCounts or None
        Told of the targets of each part, until an epoch begins anew.
    """

    def __init__(
        self,
        estimator: Any,
        batches: Batches,
        dtypes: tuple[Any, ...],
        *,
        resets: bool,
        labels: LabelCounts | None,
    ) -> None:
        self._estimator, self._open = estimator, as_function(batches)
        self._dtypes, self._resets = dtypes, resets
        self.labels = labels
        self.problem: Any = None  # what encode needs
        self.epoch = 1  # the number that errors state
        self._first: Part | None = None
        self._columns: Any = None  # of the first batch, if it was a DataFrame
        self._ahead: Reader | None = None
        self._rows_ahead = 0
        self._reader = Reader(self._open)
        self._batch = -1

    @property
    def first_y(self) -> Any:
        """The target of the first row, as an array of one row."""
        assert self._first is not None
        return self._first.y

    # --- what a Stream asks for ---

    def begin_epoch(self, epoch: int) -> None:
        self._reader.close()
        self.epoch, self.labels = epoch, None
        if self._ahead is not None:
            self._reader, self._ahead = self._ahead, None
        else:
            self._reader = Reader(self._open, self._rows_ahead)
        self._batch = -1

    def read_ahead(self) -> None:
        if self._ahead is None:
            self._ahead = Reader(self._open, self._rows_ahead)
            self._ahead.start()

    def limit(self, rows_ahead: int) -> None:
        self._rows_ahead = self._reader.rows_ahead = rows_ahead

    def take(self) -> Part | None:
        while (batch := self._reader.take()) is not END:
            self._batch += 1
            X, y, weights = self._unpack(batch)
            if n_rows_of((X,)) or n_rows_of((y,)):
                return self._check(X, y, weights)
        return None

    def encode(self, part: Part) -> DataSet:
        try:
            return self._encode(part)
        except (TypeError, ValueError) as error:
            raise self._located(lambda n: self._encode(part.first_rows(n)), part, error) from error

    def error(self, message: str) -> BatchError:
        return BatchError(f"{message}.", self.epoch)

    def close(self) -> None:
        for reader in (self._reader, self._ahead):
            if reader is not None:
                reader.close()

    # --- checks ---

    def _unpack(self, batch):
        if not isinstance(batch, tuple) or len(batch) not in (2, 3):
            found = f"a {type(batch).__name__}"
            if isinstance(batch, tuple):
                found += f" of {len(batch)}"
            raise BatchError(
                f"a batch must be a tuple (X, y) or (X, y, sample_weight), got {found}.",
                self.epoch,
                self._batch,
            )
        return (*batch, None)[:3]

    def _check(self, X, y, weights):
        part = self._checked_frame(X, y, weights) if isinstance(X, Frame) else None
        if part is not None:
            return part
        columns = None
        if isinstance(X, Frame):
            X, columns = X.table(), X.empty.columns
        check_dense(X, self._estimator.front)
        try:
            part = self._checked(X, y, weights)
        except (TypeError, ValueError) as error:

            def check_first(n):
                rows = slice(0, n)
                some_weights = None if weights is None else _safe_indexing(weights, rows)
                self._checked(_safe_indexing(X, rows), _safe_indexing(y, rows), some_weights)

            raise self._located(check_first, (X, y, weights), error) from error
        if self._first is None:
            y = part.y[:1].copy()  # without the rest of the batch
            self._first = replace(part.first_rows(1), X=part.X[:1].copy(), y=y)
            self._dtypes, self._resets = (part.X.dtype,), False
            self._columns = columns
        return part

    def _checked_frame(self, X, y, weights):
        """The part of a DataFrame like the first one, where nothing is wrong; else None."""
        is_plain = (
            self._columns is not None
            and self._columns.equals(X.empty.columns)
            and is_kernel_matrix(X.values, self._dtypes)
            and is_plain_target(y, len(X.values))
        )
        if not is_plain:
            return None
        try:
            return self._finished(X.values, as_column(y), weights)
        except (TypeError, ValueError):
            return None  # found again, with its row

    def _checked(self, X, y, weights):
        with np.errstate(over="ignore"):  # said by an error
            X, y = check_arrays(self._estimator, X, y, self._dtypes, reset=self._resets)
        return self._finished(X, y, weights)

    def _finished(self, X, y, weights):
        """The part of checked X and y."""
        first = self._first
        weights = as_weights(weights, X.shape[0], X.dtype, may_be_zero=True)
        if sparse.issparse(X):
            used = X.indptr[-1]
            X = type(X)((X.data[:used], X.indices[:used], X.indptr), shape=X.shape)
        if is_classifier(self._estimator) and self.problem is None:
            check_labels(y)  # later, encode compares with the classes
        if first is not None:
            if sparse.issparse(X) != sparse.issparse(first.X):
                kinds = ("dense", "sparse")
                now, before = kinds[sparse.issparse(X)], kinds[sparse.issparse(first.X)]
                raise ValueError(f"X is {now}, and in the first batch it was {before}.")
            if y.shape[1:] != first.y.shape[1:]:
                raise ValueError(f"{_columns(y)}, and in the first batch {_columns(first.y)}.")
            if (weights is None) != (first.weights is None):
                now, before = ("no", "a") if weights is None else ("a", "no")
                raise ValueError(f"It has {now} sample_weight, and the first batch had {before}.")
        if self.labels is not None:
            self.labels.add(y)
        return Part(X, y, weights, self.epoch, self._batch)

    def _encode(self, part):
        problem, dtype = self.problem, part.X.dtype
        targets = problem.targets_of_part(part.y, dtype)
        weights = problem.weights(part.y, part.weights, dtype, may_be_zero=True)
        return DataSet(part.X, part.y, targets, weights)

    def _located(self, check_first, batch, error):
        """The BatchError for a batch whose check has raised this error."""
        if isinstance(batch, Part):
            epoch, number, arrays = batch.epoch, batch.batch, (batch.X, batch.y, batch.weights)
        else:
            epoch, number, arrays = self.epoch, self._batch, batch
        row = None
        if not self._is_misshapen(*arrays):
            row, error = first_bad_row(check_first, n_rows_of(arrays), error)
        return BatchError(str(error), epoch, number, row)

    def _is_misshapen(self, X, y, weights):
        """Whether the fault is one of the whole batch, and not of a row."""
        shapes = [getattr(array, "shape", None) for array in (X, y, weights)]
        lengths = {n_rows_of((array,)) for array in (X, y, weights) if np.iterable(array)}
        if len(lengths) > 1 or (shapes[0] is not None and len(shapes[0]) != 2):
            return True
        first = self._first
        if first is None:
            return False
        return (
            (shapes[0] is not None and shapes[0][1] != first.X.shape[1])
            or sparse.issparse(X) != sparse.issparse(first.X)
            or (shapes[1] is not None and shapes[1][1:] not in (first.y.shape[1:], (1,)))
            or (weights is None) != (first.weights is None)
        )


def _columns(y):
    return "y is a vector" if y.ndim == 1 else f"y has {y.shape[1]} columns"


def first_bad_row(
    check_first: Callable[[int], Any], n_rows: int, error: Exception
) -> tuple[int | None, Exception]:
    """The first row that a check refuses, and its error: ``check_first(n)`` checks n rows."""
    n_good, n_bad = 0, n_rows
    while n_bad - n_good > 1:
        n = (n_good + n_bad) // 2
        try:
            check_first(n)
        except (TypeError, ValueError) as refused:
            n_bad, error = n, refused
        else:
            n_good = n
    return n_bad - 1, error


def as_function(batches: Any) -> Callable[[], Iterable[Any]]:
    """A function that returns a new iterator over the batches each time it is called."""
    if callable(batches):
        return batches
    if not np.iterable(batches):
        raise TypeError(
            "batches must be a function that returns an iterator over (X, y) or (X, y, "
            f"sample_weight), got {type(batches).__name__}."
        )
    if iter(batches) is batches:
        raise TypeError(
            f"batches is an iterator ({type(batches).__name__}), which one epoch would exhaust; "
            "pass a function that returns a new one each time it is called."
        )
    return lambda: batches


class LabelCounts:
    """The class labels of the parts of a stream, and how often each of them occurs."""

    def __init__(self) -> None:
        self._classes: Classes | None = None
        self._labels: list[Array] = []
        self._counts: list[dict[Any, int]] = []  # one for each column

    def add(self, y: Any) -> None:
        classes = Classes.of(y)
        self._labels = [unique_labels(*self._labels, classes.labels)]
        is_first = self._classes is None
        self._classes = Classes(self._labels[0], classes.multilabel, classes.sparse)
        columns = columns_of(y)
        if is_first:
            self._counts = [{} for _ in columns]
        for counts, column in zip(self._counts, columns, strict=True):
            for label, n in zip(*np.unique(column, return_counts=True), strict=True):
                counts[label] = counts.get(label, 0) + int(n)

    @property
    def classes(self) -> Classes:
        assert self._classes is not None
        return self._classes

    def balanced_weights(self, classes: Classes) -> ClassWeights:
        """What ``class_weight="balanced"`` means for these targets."""
        tables = []
        for counts in self._counts:
            known = counts if classes.multilabel else classes.labels.tolist()
            missing = [label for label in known if label not in counts]
            if missing:
                raise ValueError(
                    f"class_weight='balanced' needs rows of every class; there are none of "
                    f"{missing}."
                )
            labels = np.array(sorted(counts)) if classes.multilabel else classes.labels
            tables.append((labels, np.array([counts[label] for label in labels.tolist()])))
        return ClassWeights.balanced(tables)
