"""Partitions: blocks of Dask collections as checked arrays, and what a fit has to know of them.

    blocks_of      X, y and sample_weight as lazy blocks, partition by partition
    load           on a worker: blocks become arrays, checked as fit checks them
    summarise      on a worker: sizes, classes, what the columns are like
    merge          here: what the summaries say of all data
    encode         on a worker: labels become targets, weights of classes weights of samples

A shard is a list of consecutive partitions, which one worker holds. A partition without samples, or
whose weights are all zero, is None in an encoded shard.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import clone, is_classifier
from sklearn.utils.multiclass import unique_labels

from ..checks import as_weights
from ..classes import Classes, ClassWeights, check_labels
from ..data import DataSet
from ..fit_data import check_arrays, dtypes_for
from ..front import check_dense
from ..training.scales import root_mean_squares, root_mean_squares_of
from ..types import Array, FloatArray, MaybeNone


def blocks_of(X: Any, y: Any, sample_weight: Any) -> tuple[list[Any], list[Any], list[Any]]:
    """Lazy blocks of rows of each collection, as many of each.

    Raises
    ------
    TypeError
        For what is no Dask collection.
    ValueError
        For collections that are divided differently.
    """
    X_blocks = _row_blocks(X, "X")
    n = len(X_blocks)
    all_blocks = [X_blocks]
    for name, collection in (("y", y), ("sample_weight", sample_weight)):
        if collection is None and name == "sample_weight":
            all_blocks.append([None] * n)
            continue
        blocks = _row_blocks(_aligned(collection, X), name)
        if len(blocks) != n:
            raise ValueError(
                f"X has {n} partitions and {name} has {len(blocks)}: both must be divided at the "
                "same rows."
            )
        all_blocks.append(blocks)
    return all_blocks[0], all_blocks[1], all_blocks[2]


def is_collection(array: Any) -> bool:
    # of the class, since a Delayed has every attribute that it is asked for, and a Bag no rows
    cls = type(array)
    has_rows = hasattr(cls, "chunks") or hasattr(cls, "divisions")
    return has_rows and hasattr(cls, "__dask_graph__") and hasattr(cls, "to_delayed")


def is_array(collection: Any) -> bool:
    return hasattr(collection, "chunks")


def _row_blocks(collection, name):
    if not is_collection(collection):
        kind, makes = type(collection).__name__, None
        if type(collection).__module__.partition(".")[0] == "pandas":
            kind, makes = f"a pandas {kind}", f"dask.dataframe.from_pandas({name}, npartitions=...)"
        elif isinstance(collection, np.ndarray):
            kind, makes = f"a NumPy {kind}", f"dask.array.from_array({name}, chunks=...)"
        raise TypeError(
            f"{name} must be a Dask array, DataFrame or Series, got {kind}; for data in memory use "
            "the estimator of the same name without Dask"
            + ("." if makes is None else f", or divide them: {makes}.")
        )
    if is_array(collection):
        if name == "X" and collection.ndim != 2:
            raise ValueError(f"X must have two dimensions, got {collection.ndim}.")
        collection = whole_rows(collection)
    return np.ravel(np.array(collection.to_delayed(), dtype=object)).tolist()


def whole_rows(array: Any) -> Any:
    """A Dask array whose blocks have all columns."""
    if array.ndim == 2 and len(array.chunks[1]) > 1:
        return array.rechunk({1: -1})
    return array


def _aligned(collection, X):
    """The collection divided as X is, where both are arrays that know their sizes."""
    if not (is_collection(collection) and is_array(collection) and is_array(X)):
        return collection
    mine, wanted = collection.chunks[0], X.chunks[0]
    known = not np.isnan([*mine, *wanted]).any()
    if known and mine != wanted and sum(mine) == sum(wanted):
        return collection.rechunk({0: wanted})
    return collection


@dataclass(frozen=True)
class Loaded:
    """A partition as checked arrays; `feature_names` is None where columns have no names."""

    X: Any
    y: Array
    weights: FloatArray | MaybeNone
    feature_names: list[str] | None


def load(
    estimator: Any, start: int, X_blocks: list[Any], y_blocks: list[Any], weight_blocks: list[Any]
) -> list[Loaded | None]:
    """A shard of partitions, the first of which has the number start; None without rows.

    estimator : BackpropClassifier or BackpropRegressor, not fitted
    """
    shard: list[Loaded | None] = []
    for number, blocks in enumerate(zip(X_blocks, y_blocks, weight_blocks, strict=True), start):
        try:
            shard.append(_load(estimator, *blocks))
        except (TypeError, ValueError) as error:
            raise _in_partition(number, error) from error
    return shard


def _in_partition(number, error):
    kind = ValueError if isinstance(error, ValueError) else TypeError
    return kind(f"Partition {number}: {error}")


def _load(estimator, X, y, weights):
    n = X.shape[0]
    if len(y) != n:
        raise ValueError(f"X has {n} rows and y has {len(y)}.")
    if n == 0:
        return None
    if y.ndim == 2 and y.shape[1] == 1:
        y = np.asarray(y).ravel()
    check_dense(X, estimator.front)
    checker = clone(estimator)
    X, y = check_arrays(checker, X, y, dtypes_for(checker, goes_on=False), reset=True)
    if is_classifier(estimator):
        check_labels(y)
    if weights is not None:
        weights = np.asarray(weights)
        is_zero = weights.shape == (n,) and weights.dtype.kind in "biuf" and not weights.any()
        # of a single partition, all weights may be zero
        weights = np.zeros(n, X.dtype) if is_zero else as_weights(weights, n, X.dtype)
    names = getattr(checker, "feature_names_in_", None)
    return Loaded(X, y, weights, None if names is None else names.tolist())


@dataclass(frozen=True)
class Summary:
    """What is told of a partition with samples.

    `sizes` are root mean squares of the columns of X, `y_sizes` the same of numbers to predict,
    `counts` how many samples each class, or each label, has.
    """

    n_samples: int
    dtype: Any
    feature_names: list[str] | None
    sizes: FloatArray
    y_sizes: FloatArray | MaybeNone
    classes: Classes | MaybeNone
    counts: Array | MaybeNone
    digest: bytes


def summarise(
    shard: list[Loaded | None], of_classes: bool, with_digests: bool
) -> list[Summary | None]:
    """Of each partition; digests are for checkpoints."""
    return [None if one is None else _summary(one, of_classes, with_digests) for one in shard]


def _summary(loaded, of_classes, with_digests):
    X, y = loaded.X, loaded.y
    y_sizes = classes = counts = None
    if not of_classes:
        y_sizes = root_mean_squares(y.reshape(len(y), -1)).reshape(y.shape[1:])
    else:
        classes = Classes.of(y)
        counts = y.sum(axis=0) if classes.multilabel else np.unique(y, return_counts=True)[1]
    return Summary(
        n_samples=X.shape[0],
        dtype=X.dtype,
        feature_names=loaded.feature_names,
        sizes=root_mean_squares(X),
        y_sizes=y_sizes,
        classes=classes,
        counts=counts,
        digest=_digest(X, y, loaded.weights) if with_digests else b"",
    )


def _digest(X, *arrays):
    parts = [X.data, X.indices, X.indptr] if sparse.issparse(X) else [X]
    digest = hashlib.sha256()
    for array in [*parts, *arrays]:
        if array is None:
            digest.update(b"none")
            continue
        array = array.astype(str) if array.dtype.hasobject else array
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.digest()


@dataclass(frozen=True)
class Facts:
    """What the summaries say of all partitions together.

    Attributes
    ----------
    n_samples : int
    largest : int
        Samples of the largest partition.
    dtype : numpy dtype
        float32 if all partitions are.
    feature_names : list of str or None
    sizes : ndarray of shape (n_features,)
        Root mean squares of the columns of X.
    y_sizes : ndarray of shape () or (n_columns,), or None
        The same of numbers to predict.
    classes : Classes or None
    counts : ndarray of shape (n_classes,) or None
    digests : ndarray of uint8
        One row a partition with samples, in their order.
    """

    n_samples: int
    largest: int
    dtype: Any
    feature_names: list[str] | None
    sizes: FloatArray
    y_sizes: FloatArray | MaybeNone
    classes: Classes | MaybeNone
    counts: Array | MaybeNone
    digests: Array


def merge(summaries: Sequence[Summary | None], classes: Any = None) -> Facts:
    """Facts about all partitions.

    classes : array-like or None
        All classes, where the user names them.

    Raises
    ------
    ValueError
        If partitions differ in columns or in the kind of y, if there is no sample at all, and for
        a class that is not among `classes`.
    """
    there = [(number, one) for number, one in enumerate(summaries) if one is not None]
    if not there:
        raise ValueError(f"All {len(summaries)} partitions are empty; there is nothing to fit.")
    first_number, first = there[0]
    for number, one in there:
        for what, mine, theirs in (
            ("columns of X", len(first.sizes), len(one.sizes)),
            ("feature names", first.feature_names, one.feature_names),
            ("columns of y", np.shape(first.y_sizes), np.shape(one.y_sizes)),
        ):
            if mine != theirs:
                raise ValueError(
                    f"Partitions {first_number} and {number} differ in their {what}: {mine} and "
                    f"{theirs}."
                )
    counts_of_rows = np.array([one.n_samples for _, one in there])
    n = int(counts_of_rows.sum())
    shares = counts_of_rows / n

    def merged_sizes(name):
        return root_mean_squares_of(np.array([getattr(one, name) for _, one in there]), shares)

    known = counts = None
    if first.classes is not None:
        known, counts = _merged_classes(there, classes)
    return Facts(
        n_samples=n,
        largest=int(counts_of_rows.max()),
        dtype=np.result_type(*{one.dtype for _, one in there}),
        feature_names=first.feature_names,
        sizes=merged_sizes("sizes"),
        y_sizes=merged_sizes("y_sizes") if known is None else None,
        classes=known,
        counts=counts,
        digests=np.frombuffer(b"".join(one.digest for _, one in there), np.uint8),
    )


def _merged_classes(there, given):
    all_classes = [one.classes for _, one in there]
    first = all_classes[0]
    for (number, _), one in zip(there, all_classes, strict=True):
        same = one.multilabel == first.multilabel
        if not same or (first.multilabel and len(one.labels) != len(first.labels)):
            raise ValueError(
                f"Partitions {there[0][0]} and {number} differ in their kind of y, or in its "
                "number of columns."
            )
    if first.multilabel:
        return first, np.sum([one.counts for _, one in there], axis=0)
    labels = unique_labels(*(one.labels for one in all_classes))
    if given is not None:
        given = unique_labels(np.asarray(given))
        unknown = np.setdiff1d(labels, given)
        if len(unknown):
            raise ValueError(f"y has the classes {unknown}, which are not among classes={given}.")
        labels = given
    counts = np.zeros(len(labels), np.int64)
    for _, one in there:
        counts[np.searchsorted(labels, one.classes.labels)] += one.counts
    return Classes(labels), counts


def weights_of_classes(class_weight: Any, facts: Facts) -> ClassWeights | None:
    """What ``class_weight`` asks for, given how often each class occurs."""
    if class_weight is None:
        return None
    labels, counts = facts.classes.labels, facts.counts
    if facts.classes.multilabel:
        y = np.array([[0] * len(labels), [1] * len(labels)])
    else:
        y = labels
    if not (isinstance(class_weight, str) and class_weight == "balanced"):
        return ClassWeights.of_training(class_weight, y, labels)
    if not facts.classes.multilabel:
        return ClassWeights.balanced([(labels, counts)])
    of_both = (np.array([facts.n_samples - count, count]) for count in counts)
    return ClassWeights.balanced((np.array([0, 1]), both) for both in of_both)


@dataclass(frozen=True)
class SharedData(DataSet):
    """Stands for all samples where a fit asks for sizes: X has one row.

    It holds the root mean square of each column, and the targets are those of numbers of the size
    of y; so scales are judged as those of all data.  What is counted and put into an order are the
    partitions.
    """

    n_samples: int = 0
    n_partitions: int = 0
    total_weight: float = 0.0

    def __len__(self) -> int:
        return self.n_partitions

    @property
    def weight_sum(self) -> float:
        return self.total_weight

    def astype(self, dtype: Any) -> SharedData:
        X, targets = self.X.astype(dtype, copy=False), self.targets.astype(dtype)
        return replace(self, X=X, targets=targets)


def shared_data(facts: Facts, problem: Any, n_partitions: int) -> SharedData:
    if facts.classes is None:
        y = np.asarray(facts.y_sizes)[np.newaxis]
    elif facts.classes.multilabel:
        y = np.zeros((1, len(facts.classes.labels)), int)
    else:
        y = facts.classes.labels[:1]
    X = np.ascontiguousarray(facts.sizes[np.newaxis], facts.dtype)
    return SharedData(
        X,
        y,
        problem.targets(y, facts.dtype),
        n_samples=facts.n_samples,
        n_partitions=n_partitions,
    )


@dataclass
class Part:
    """A partition as the kernels train on it."""

    number: int
    data: DataSet

    @cached_property
    def samples(self) -> Any:
        return self.data.kernel_samples()

    def __getstate__(self) -> dict[str, Any]:
        return {"number": self.number, "data": self.data}


def encode(
    shard: list[Loaded | None], start: int, problem: Any, dtype: Any, solver_dtype: Any
) -> list[Part | None]:
    """Targets in place of labels, weights with those of the classes, one dtype for all."""
    encoded: list[Part | None] = []
    for number, loaded in enumerate(shard, start):
        try:
            data = None if loaded is None else _encoded(loaded, problem, dtype)
        except ValueError as error:
            raise _in_partition(number, error) from error
        if data is not None and solver_dtype is not None:
            data = data.astype(solver_dtype)
        encoded.append(None if data is None else Part(number, data))
    return encoded


def _encoded(loaded, problem, dtype):
    y, weights = loaded.y, loaded.weights
    targets = problem.targets(y, dtype)
    if problem.is_classification and problem.class_weights is not None:
        factors = problem.class_weights.of_samples(y)
        product = factors if weights is None else factors * weights
        if not product.any():
            return None
        weights = problem.weights(y, weights, dtype)
    elif weights is not None:
        if not weights.any():
            return None
        weights = weights.astype(dtype, copy=False)
    return DataSet(loaded.X.astype(dtype, copy=False), y, targets, weights)


def weight_sums(shard: list[Part | None]) -> list[float]:
    return [0.0 if part is None else float(part.data.weight_sum) for part in shard]
