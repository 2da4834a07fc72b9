"""TableEncoder: a table as its user has it becomes the float32 matrix that a network learns from.

    column in fit                     columns of the result
    numbers                           smooth_clip((x - center) / scale), see scaling.py; or 0
      with missing values             1 where missing, else 0
      with n_bins > 0                 e_1 ... e_T (piecewise.py)
    two levels, none missing          -1 or 1
    levels otherwise                  one per level: 1 where it is this level, else 0
      with missing values             1 where missing, else 0
      more than MAX_LEVELS            the most frequent, and one column for all others

Levels are booleans, categories and text of few values. A level that was not in fit is 0 in all
columns, or counts as one of the others where there is such a column: it is as rare as they are.
A level of another type than those in fit, such as the number 1 among texts, is an error, as text
among numbers is: the column has changed, and all its levels would be unknown.

Not scikit-learn's OneHotEncoder: it has no columns of -1 and 1, does not compare values of several
types, and needs a second copy of the table as an array of objects.
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted, validate_data

from ..sklearn_types import fits
from ..types import Array, ArrayLike, FloatArray, IntArray
from ..user_warnings import warn
from .columns import (
    Column,
    Level,
    Levels,
    Numbers,
    Table,
    as_levels,
    as_numbers,
    is_number,
    open_table,
    shown,
)
from .piecewise import quantile_edges, ramps
from .scaling import center_and_scale, row_blocks, scale_smoothly

if TYPE_CHECKING:
    from typing import Self

MAX_LEVELS = 64  # columns for the levels of one column, that of all others included

# Values of a column, none of which is known, that are no coincidence but worth a warning.
MANY_UNKNOWN = 20

# Text of more different values than these is no category: at most 5 % of the rows, so that a level
# has 20 rows in the mean, but 50 in a small table, and never more than 500.
FEW_VALUES, MOST_VALUES, ROWS_PER_VALUE = 50, 500, 20

# What columns of the result are, in their order.
PARTS = ("number", "missing", "sign", "level", "bin")


@dataclass(frozen=True)
class NumberColumn:
    """How a column of numbers is encoded.

    Attributes
    ----------
    center, scale : float
        See scaling.py; 0 in a column without values.
    has_missing : bool
        Whether a value was missing in fit.
    edges : tuple of float
        Of its bins, ascending; empty if there are none.
    """

    center: float
    scale: float
    has_missing: bool
    edges: tuple[float, ...] = ()

    @classmethod
    def of(cls, column: Numbers, n_bins: int) -> NumberColumn:
        is_missing = np.isnan(column.values)
        has_missing = bool(is_missing.any())
        present = column.values[~is_missing] if has_missing else column.values
        if not len(present):
            return cls(0.0, 0.0, has_missing)
        edges = quantile_edges(present, n_bins).tolist() if n_bins else []
        return cls(*center_and_scale(present), has_missing, tuple(edges))

    def as_record(self) -> dict[str, Any]:
        """Plain values of JSON."""
        return {"kind": "numbers", **vars(self), "edges": list(self.edges)}

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> NumberColumn:
        """The inverse of as_record; ValueError where it cannot be one."""
        center, scale, edges = record["center"], record["scale"], record["edges"]
        _require(all(map(_is_finite, [center, scale, *edges])), "finite numbers", record)
        _require(scale >= 0, "a scale that is not negative", record)
        ascending = all(left < right for left, right in zip(edges[:-1], edges[1:], strict=True))
        _require(ascending and len(edges) != 1, "ascending edges", record)
        _require(isinstance(record["has_missing"], bool), "has_missing of true or false", record)
        edges = tuple(map(float, edges))
        return cls(float(center), float(scale), record["has_missing"], edges)

    def endings(self) -> dict[str, list[str]]:
        """Of the names of its columns, by part."""
        bins = [f"_bin{t}" for t in range(1, len(self.edges))]
        return {"number": [""], "missing": ["_missing"] * self.has_missing, "bin": bins}

    def encode(self, column: Column, label: str, columns: dict[str, FloatArray]) -> str:
        """Write the column into those of the result. Returns "": nothing to warn of."""
        values = as_numbers(column, label).values
        refuse_infinite(values, label)
        left, right = np.array(self.edges[:-1]), np.array(self.edges[1:])
        for rows in row_blocks(len(values), max(1, len(left))):
            block = values[rows]
            is_missing = np.isnan(block)
            scaled = scale_smoothly(block, self.center, self.scale)
            scaled[is_missing] = 0
            columns["number"][rows, 0] = scaled
            if self.has_missing:
                columns["missing"][rows, 0] = is_missing
            if len(left):
                columns["bin"][rows] = ramps(block[:, np.newaxis], left, right)
        return ""


@dataclass(frozen=True)
class LevelColumn:
    """How a column of levels is encoded.

    Attributes
    ----------
    levels : tuple of str, bool, int or float
        Those that have a column of their own, sorted.
    has_missing : bool
        Whether a value was missing in fit.
    has_others : bool
        Whether there were more levels, which share a column.
    has_other_types : bool
        Whether some of these are text where all in ``levels`` are none, or the other way round.
    """

    levels: tuple[Level, ...]
    has_missing: bool
    has_others: bool
    has_other_types: bool = False

    @classmethod
    def of(cls, column: Levels) -> LevelColumn:
        is_present = column.codes >= 0
        counts = np.bincount(column.codes[is_present], minlength=len(column.levels))
        # sorted, so that a table of any library, in any order of its rows, has the same columns
        places = sorted(np.flatnonzero(counts), key=lambda i: level_order(column.levels[i]))
        types = {isinstance(column.levels[i], str) for i in places}
        has_others = len(places) > MAX_LEVELS
        if has_others:
            most_frequent = sorted(places, key=lambda i: -counts[i])[: MAX_LEVELS - 1]
            kept = set(most_frequent)
            places = [i for i in places if i in kept]
        levels = tuple(column.levels[i] for i in places)
        has_other_types = types != {isinstance(level, str) for level in levels}
        return cls(levels, not is_present.all(), has_others, has_other_types)

    def as_record(self) -> dict[str, Any]:
        """Plain values of JSON."""
        return {"kind": "levels", **vars(self), "levels": list(self.levels)}

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> LevelColumn:
        """The inverse of as_record; ValueError where it cannot be one."""
        levels = record["levels"]
        flags = [record["has_missing"], record["has_others"], record.get("has_other_types", False)]
        is_plain = all(isinstance(one, (str, bool)) or _is_finite(one) for one in levels)
        _require(isinstance(levels, list) and is_plain, "text, booleans or numbers", record)
        _require(len(set(levels)) == len(levels), "levels that are different", record)
        _require(all(isinstance(one, bool) for one in flags), "flags of true or false", record)
        return cls(tuple(levels), *flags)

    @property
    def is_sign(self) -> bool:
        """Whether -1 and 1 say it all."""
        return len(self.levels) == 2 and not self.has_missing and not self.has_others

    def endings(self) -> dict[str, list[str]]:
        """Of the names of its columns, by part."""
        names = [f"_{level}" for level in self.levels]
        if self.is_sign:
            return {"sign": names[1:]}
        names += ["_other"] * self.has_others + ["_missing"] * self.has_missing
        return {"level": names}

    def encode(self, column: Column, label: str, columns: dict[str, FloatArray]) -> str:
        """Write the column into those of the result, which are 0.

        Returns an example of its values where there are many, and none of them is known; else "".
        """
        codes, levels, _ = as_levels(column, label, () if self.has_other_types else self.levels)
        place = {level: i for i, level in enumerate(self.levels)}
        other = len(self.levels) if self.has_others else -1
        missing = len(self.levels) + self.has_others if self.has_missing else -1
        places = np.array([*(place.get(level, other) for level in levels), missing])[codes]
        rows = np.flatnonzero(places >= 0)
        if self.is_sign:
            columns["sign"][rows, 0] = 2 * places[rows] - 1
        else:
            columns["level"][rows, places[rows]] = 1
        if len(codes) < MANY_UNKNOWN or not self.levels or self._knows_any(places):
            return ""
        present = codes[codes >= 0]
        return shown([levels[present[0]]]) if len(present) >= MANY_UNKNOWN else ""

    def _knows_any(self, places):
        # the first row mostly decides it
        return 0 <= places[0] < len(self.levels) or bool(
            ((places >= 0) & (places < len(self.levels))).any()
        )


def _is_finite(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and np.isfinite(value)


def _require(condition, what, record):
    if not condition:
        raise ValueError(f"A column of a TableEncoder's record needs {what}: {record!r:.200}.")


def level_order(level: Level) -> tuple[bool, Level]:
    """The key that sorts levels: numbers and booleans, then text."""
    return isinstance(level, str), level


def refuse_infinite(values: FloatArray, label: str) -> None:
    """ValueError for an infinite number."""
    is_infinite = np.isinf(values)
    if is_infinite.any():
        raise ValueError(
            f"There are infinite numbers, or numbers too large for float64, in {label}, first in "
            f"row {int(is_infinite.argmax())}, counted from 0. Make them missing "
            "(NaN), or clip them."
        )


def refuse_infinite_levels(column: Levels, label: str) -> None:
    """ValueError for a category that is an infinite number."""
    infinite = [isinstance(level, float) and np.isinf(level) for level in column.levels]
    if any(infinite):
        raise ValueError(
            f"There are infinite numbers among the categories in {label}, first in row "
            f"{int(np.isin(column.codes, np.flatnonzero(infinite)).argmax())}, counted from 0. "
            "Make them missing."
        )


def refuse_free_text(column: Levels, label: str) -> None:
    """ValueError for text of many different values."""
    n_rows, n_values = len(column.codes), len(column.levels)
    limit = max(FEW_VALUES, min(MOST_VALUES, n_rows // ROWS_PER_VALUE))
    if column.is_declared or n_values <= limit:
        return
    n_numbers = sum(is_number(level) for level in column.levels)
    if n_numbers > n_values / 2:
        others = [level for level in column.levels if not is_number(level)]
        what = f", though not {shown(others)}" if others else ""
        advice = (
            f"Most are numbers{what}: convert the column to numbers (pandas.to_numeric with "
            "errors='coerce'), with NaN where a value is missing."
        )
    else:
        advice = (
            "Drop the column, or convert it: text to numbers (for example TfidfVectorizer and "
            "TruncatedSVD), dates to year, month and day of the week. If its values are "
            "categories, give it that type (in pandas: astype('category'))."
        )
    raise ValueError(
        f"In {label} there is text of {n_values:,} different values in {n_rows:,} rows, for "
        f"example {shown(column.levels)}. Up to {limit} would be taken for categories. {advice}"
    )


class TableEncoder(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """Encode a table of numbers, booleans, categories and text as a float32 matrix.

    Numbers are scaled as by :class:`RobustSmoothScaler`. Booleans, categories, and text of few
    different values (up to 5 % of the rows, at least 50 and at most 500) become one column per
    level, or a single one of -1 and 1 where there are two levels; of more than 64 levels, the
    rarest share one column. Values may be missing (None, NaN, NA, NaT): a number becomes the
    median, a level none of the levels, and a column says so where values were missing in ``fit``.

    The result is an array whatever scikit-learn's ``transform_output`` is: estimators rely on it.

    Parameters
    ----------
    n_bins : int, default=0
        If positive, the columns of a :class:`PiecewiseLinearEncoder` with so many bins are
        appended for each column of numbers.

    Attributes
    ----------
    n_numbers_ : int
        The first columns of the result, as many as this, are the scaled numbers. Then come
        indicators of their missing values, columns of -1 and 1, columns of levels, and bins.
    feature_of_column_ : ndarray of shape (n_columns,)
        For each column of the result, the column of X that it comes from.
    n_features_in_ : int
        Number of columns of X in ``fit``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns of X, where they are strings.
    """

    n_bins: int

    n_numbers_: int
    feature_of_column_: IntArray
    n_features_in_: int
    feature_names_in_: Array

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "n_bins": [Interval(Integral, 0, None, closed="left")]
    }

    def __init__(self, *, n_bins: int = 0) -> None:
        self.n_bins = n_bins

    @fits
    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn what the columns are, their scales and their levels.

        Parameters
        ----------
        X : table of shape (n_samples, n_features)
            A pandas or polars DataFrame, a pyarrow Table, an array, or lists.
        y : ignored

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            For a column of dates, of text of many different values, or of infinite numbers.
        TypeError
            For a column of anything else, such as lists, and for a sparse matrix.
        """
        table = open_table(X)
        validate_data(self, table.source, skip_check_array=True, reset=True)
        self._columns = [self._fit_column(table, i) for i in range(table.shape[1])]
        self._arrange()
        return self

    def _fit_column(self, table: Table, i: int) -> NumberColumn | LevelColumn:
        column, label = table.read(i), table.labels[i]
        if isinstance(column, Numbers):
            refuse_infinite(column.values, label)
            return NumberColumn.of(column, self.n_bins)
        refuse_free_text(column, label)
        refuse_infinite_levels(column, label)
        return LevelColumn.of(column)

    def _arrange(self):
        """Give each column its place in the result, part by part."""
        self._places: list[dict[str, slice]] = [{} for _ in self._columns]
        endings = [column.endings() for column in self._columns]
        features: list[int] = []
        self._endings: list[str] = []
        for part in PARTS:
            for i, ends in enumerate(endings):
                found = ends.get(part, [])
                self._places[i][part] = slice(len(features), len(features) + len(found))
                features += [i] * len(found)
                self._endings += found
        self.feature_of_column_ = np.array(features, dtype=np.intp)
        self.n_numbers_ = sum(isinstance(column, NumberColumn) for column in self._columns)

    def transform(self, X: Any) -> FloatArray:
        """Encode X.

        Parameters
        ----------
        X : table of shape (n_samples, n_features)
            The columns of ``fit``, in their order. It may be of another library.

        Returns
        -------
        X_encoded : ndarray of shape (n_samples, n_columns)
            float32, C-contiguous, without NaN.

        Raises
        ------
        ValueError
            For other columns than in ``fit``, for text in a column that held numbers or booleans,
            for numbers or booleans in a column that held text, and for infinite numbers.

        Warns
        -----
        UserWarning
            If no value of a column, of at least 20, is one of its levels in ``fit``.
        """
        check_is_fitted(self)
        return self._encode(X, self)

    def _encode(self, X, estimator):
        """The same for an estimator whose user knows of no encoder: messages have its name."""
        table = open_table(X)
        validate_data(estimator, table.source, skip_check_array=True, reset=False)
        encoded = np.zeros((table.shape[0], len(self.feature_of_column_)), dtype=np.float32)
        unknown: dict[str, str] = {}
        for i, column in enumerate(self._columns):
            parts = {part: encoded[:, place] for part, place in self._places[i].items()}
            example = column.encode(table.read(i), table.labels[i], parts)
            if example:
                known = shown(column.levels) if isinstance(column, LevelColumn) else ""
                unknown[table.labels[i]] = f"{example}, and in fit {known}"
        if unknown:
            (first, examples), *_ = unknown.items()
            warn(
                f"No value in {', '.join(unknown)} was there in fit; all of them count as unknown. "
                f"In {first} there is now, for example, {examples}. Look for blanks, upper case, "
                "or another way of writing them."
            )
        return encoded

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> Array:
        """Names of the columns of the result: ``age``, ``age_missing``, ``city_Rome``, ...

        Parameters
        ----------
        input_features : array-like of str of shape (n_features_in_,), default=None
            Names of the columns of X; by default those seen in ``fit``, or x0, x1, ...

        Returns
        -------
        names : ndarray of str objects
            All different: names that would be equal get underscores.
        """
        check_is_fitted(self)
        features = _check_feature_names_in(self, input_features)
        names: dict[str, None] = {}
        for i, ending in zip(self.feature_of_column_, self._endings, strict=True):
            name = f"{features[i]}{ending}"
            while name in names:
                name += "_"
            names[name] = None
        return np.array(list(names), dtype=object)

    def _as_record(self) -> dict[str, Any]:
        """All that transform needs, as plain values of JSON: finite numbers, text, lists."""
        names = getattr(self, "feature_names_in_", None)
        return {
            "n_bins": int(self.n_bins),
            "feature_names": None if names is None else list(names),
            "columns": [column.as_record() for column in self._columns],
        }

    @classmethod
    def _from_record(cls, record: dict[str, Any]) -> Self:
        """The encoder of a record; ValueError where it is none of _as_record."""
        kinds: dict[str, Any] = {"numbers": NumberColumn, "levels": LevelColumn}
        try:
            encoder = cls(n_bins=record["n_bins"])
            encoder._validate_params()
            encoder._columns = [kinds[one["kind"]].from_record(one) for one in record["columns"]]
            names = record["feature_names"]
            encoder.n_features_in_ = n_features = len(encoder._columns)
            if n_features == 0 or (names is not None and len(names) != n_features):
                raise ValueError(f"There are {n_features} columns, whose names are {names}.")
            if names is not None:
                if not all(isinstance(name, str) for name in names):
                    raise ValueError(f"Names of columns must be text, got {names}.")
                encoder.feature_names_in_ = np.array(names, dtype=object)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"This is no record of a TableEncoder: {error!r}.") from error
        encoder._arrange()
        return encoder

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        tags.transformer_tags.preserves_dtype = []
        return tags
