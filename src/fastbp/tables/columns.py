"""The columns of a table, whichever library it comes from, as NumPy arrays.

Takes a pandas or polars DataFrame, a pyarrow Table or RecordBatch, an array or lists. Returns a
Table, whose columns are read one at a time, so that no second copy of the table is ever there:

    Numbers    float64, NaN where a value is missing
    Levels     codes of values that are compared with one another: text, categories, booleans

What is neither (dates, lists, objects) is an error that names the column and says what to do. The
libraries are imported here only once a table of theirs has come.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from numbers import Real
from typing import Any, NamedTuple, NoReturn, TypeAlias

import numpy as np
from scipy import sparse
from sklearn.utils import check_array

from ..checks import check_storage
from ..types import Array, FloatArray

Level: TypeAlias = str | bool | int | float

DATES = (
    datetime.date,  # and datetime, and Timestamp of pandas
    datetime.time,
    datetime.timedelta,
    np.datetime64,
    np.timedelta64,
)
SHOWN = 40  # characters of a value in a message


class Numbers(NamedTuple):
    """A column of numbers.

    Attributes
    ----------
    values : ndarray of shape (n_rows,)
        float64; NaN where a value is missing. May be infinite.
    """

    values: FloatArray


class Levels(NamedTuple):
    """A column of values that are equal or not.

    Attributes
    ----------
    codes : ndarray of shape (n_rows,)
        Places in ``levels``; -1 where a value is missing.
    levels : list of str, bool, int or float
        Different values. Some may not occur.
    is_declared : bool
        Whether the column's type says that these are categories, or booleans; text does not.
    """

    codes: Array
    levels: list[Level]
    is_declared: bool


Column: TypeAlias = Numbers | Levels


@dataclass(frozen=True)
class Table:
    """A table whose columns can be read.

    Attributes
    ----------
    source : object
        What scikit-learn looks at for the names and the number of columns.
    shape : (int, int)
    labels : list of str
        "column 'age'", or "column 3" where it has no name: for messages.
    read : callable
        Returns a Column, given its number.
    """

    source: Any
    shape: tuple[int, int]
    labels: list[str]
    read: Callable[[int], Column]


def open_table(X: Any) -> Table:
    """The table that X is; TypeError or ValueError where it is none."""
    check_is_table(X)
    library = _library_of(X)
    if library is None:
        return _open_array(X)
    table = _OPEN[library](X)
    # scikit-learn's own messages for a table without rows or columns
    check_array(np.broadcast_to(np.False_, table.shape), dtype=None, input_name="X")
    return table


def check_is_table(X: Any) -> None:
    """TypeError for what is no table, found before its rows are counted."""
    if sparse.issparse(X):
        raise TypeError(
            "X is a sparse matrix, and tables are dense. BackpropClassifier and BackpropRegressor "
            "take CSR matrices as they are; a small one can be converted by X.toarray()."
        )
    if isinstance(X, Mapping):
        raise TypeError(f"X is a {type(X).__name__}: make a table of it by pandas.DataFrame(X).")
    if isinstance(X, (str, bytes, Iterator)):
        raise TypeError(
            f"X is a {type(X).__name__}: pass a table of pandas, polars or pyarrow, an array, or a "
            "list of rows."
        )
    classes = {(cls.__module__.partition(".")[0], cls.__name__) for cls in type(X).__mro__}
    if ("polars", "LazyFrame") in classes:
        raise TypeError("X is a LazyFrame, which has no rows yet: pass X.collect().")


def _library_of(X):
    """The library whose table X is, or None."""
    for cls in type(X).__mro__:
        library = cls.__module__.partition(".")[0]
        if library in _OPEN and cls.__name__ in ("DataFrame", "Table", "RecordBatch"):
            return library
    return None


def _table(source, shape, names, read):
    labels = [f"column {name!r}" for name in names]
    return Table(source, shape, labels, lambda i: read(i, labels[i]))


# --- what columns of each library are -----------------------------------------------------------


def _open_array(X):
    check_storage(X)
    # Of lists, NumPy would make an array of text if a single value is text.
    kind: Any = object if isinstance(X, (list, tuple)) else None
    array = check_array(X, dtype=kind, ensure_all_finite=False, input_name="X")

    def read(i, label):
        return _of_numpy(array[:, i], label)

    return _table(array, array.shape, range(array.shape[1]), read)


def _of_numpy(values, label):
    kind = values.dtype.kind
    if kind in "iuf":
        return _numbers(values)
    if kind == "b":
        return _booleans(values)
    if kind == "c":
        _refuse_complex(label)
    if kind in "mM":
        _refuse_dates(label, values.dtype)
    return _of_objects(values.tolist(), label)


def _open_pandas(X):
    series_of = [series for _, series in X.items()]  # in less than half of the time of iloc

    def read(i, label):
        series = series_of[i]
        dtype = series.dtype
        if isinstance(dtype, np.dtype):
            return _of_numpy(series.to_numpy(), label)
        kind = type(dtype).__name__
        if kind == "ArrowDtype":
            return _of_arrow(series.array.__arrow_array__(), label)
        if kind == "CategoricalDtype":
            codes = series.cat.codes.to_numpy()
            return _of_codes(codes, dtype.categories.tolist(), label, is_declared=True)
        if kind in ("DatetimeTZDtype", "PeriodDtype"):
            _refuse_dates(label, dtype)
        if dtype.kind in "iufb":
            values = series.to_numpy(dtype=np.float64, na_value=np.nan)
            return _booleans(values) if dtype.kind == "b" else _numbers(values)
        return _of_objects(series.tolist(), label)

    return _table(X, X.shape, X.columns, read)


def _open_polars(X):
    import polars

    def read(i, label):
        series = X.to_series(i)
        dtype = series.dtype
        if dtype == polars.Boolean:
            return _booleans(series.cast(polars.Float64).to_numpy())
        if dtype.is_numeric():
            return _numbers(series.cast(polars.Float64).to_numpy())
        if dtype.is_temporal():
            _refuse_dates(label, dtype)
        if dtype.is_nested():
            _refuse_type(label, str(dtype))
        if dtype in (polars.Categorical, polars.Enum):
            return _of_objects(series.cast(polars.String).to_list(), label, is_declared=True)
        return _of_objects(series.to_list(), label)

    return _table(X, X.shape, X.columns, read)


def _open_arrow(X):
    import pyarrow

    if isinstance(X, pyarrow.RecordBatch):
        X = pyarrow.Table.from_batches([X])

    def read(i, label):
        return _of_arrow(X.column(i), label)

    return _table(X, X.shape, X.column_names, read)


def _of_arrow(values, label):
    import pyarrow

    kind, types = values.type, pyarrow.types
    if types.is_boolean(kind):
        return _booleans(values.cast("int8").cast("double").to_numpy())
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        return _numbers(values.cast("double", safe=False).to_numpy())
    if types.is_null(kind):
        return _of_objects([None] * len(values), label)
    if types.is_temporal(kind):
        _refuse_dates(label, kind)
    is_declared = types.is_dictionary(kind)
    if not is_declared:
        if not any(one(kind) for one in (types.is_string, types.is_large_string, _is_view)):
            _refuse_type(label, str(kind))
        values = values.cast("large_string").dictionary_encode()
    # one dictionary for all chunks
    array = pyarrow.chunked_array(values.chunks, values.type).unify_dictionaries().combine_chunks()
    # the type may have no sign: polars' has none
    codes = array.indices.cast("int64").fill_null(-1).to_numpy(zero_copy_only=False)
    return _of_codes(codes, array.dictionary.to_pylist(), label, is_declared)


def _is_view(kind):
    return str(kind) == "string_view"  # of newer releases only


_OPEN: dict[str, Callable[[Any], Table]] = {
    "pandas": _open_pandas,
    "polars": _open_polars,
    "pyarrow": _open_arrow,
}


# --- what values are ----------------------------------------------------------------------------


def _numbers(values):
    # a number beyond float64, of extended precision, becomes infinite, which fit reports
    with np.errstate(over="ignore"):
        return Numbers(np.asarray(values, dtype=np.float64))


def _booleans(values):
    """Of an array of booleans, or of 0, 1 and NaN."""
    is_missing = np.isnan(values)
    codes = np.where(is_missing, 0, values).astype(np.intp)
    codes[is_missing] = -1
    return Levels(codes, [False, True], is_declared=True)


def _of_objects(values, label, is_declared=False):
    """Of a list of Python objects: what they are decides."""
    if not is_declared and set(map(type, values)) <= {float, int, type(None)}:
        with suppress(OverflowError):  # of an integer of more than 308 digits
            # NumPy makes NaN of None; the way below is many times slower for different numbers
            numbers = np.array(values, dtype=np.float64)
            if not np.isnan(numbers).all():
                return Numbers(numbers)
    try:
        different = list(dict.fromkeys(values))
    except TypeError:
        _refuse_type(label, _type_of(next(filter(_is_unhashable, values))))
    present = [value for value in different if not _is_missing(value)]
    place: dict[Any, int] = dict.fromkeys(different, -1)
    place.update((value, i) for i, value in enumerate(present))
    codes = np.fromiter(map(place.__getitem__, values), dtype=np.intp, count=len(values))
    types = set(map(type, present))
    is_boolean = bool(types) and types <= {bool, np.bool_}
    if types and not is_boolean and all(issubclass(one, (Real, Decimal)) for one in types):
        return _numbers(np.array([*map(_as_float, present), np.nan])[codes])
    # a column without any value may be of any kind
    is_declared = is_declared or is_boolean or not present
    return _of_codes(codes, present, label, is_declared)


def _of_codes(codes, values, label, is_declared):
    """Levels of codes of values, some of which may be missing, or equal once they are plain."""
    levels: dict[Level, int] = {}
    new_code = [-1] * (len(values) + 1)  # the last is for -1
    for i, value in enumerate(values):
        if not _is_missing(value):
            level = _as_level(value, label, is_declared)
            new_code[i] = levels.setdefault(level, len(levels))
    codes = np.array(new_code, dtype=np.intp)[codes]
    return Levels(codes, list(levels), is_declared)


def _as_level(value, label, is_declared):
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (Real, Decimal)):
        return float(value)
    if is_declared:
        return str(value)  # intervals of pandas.cut, for example: they count by how they print
    if isinstance(value, DATES):
        _refuse_dates(label, _type_of(value))
    if isinstance(value, (complex, np.complexfloating)):
        _refuse_complex(label)
    return _refuse_type(label, _type_of(value))


def _as_float(number):
    try:
        return float(number)
    except OverflowError:  # an integer of more than 308 digits
        return np.inf


def _is_missing(value):
    """Whether it is None, NaN, NA or NaT."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    may_be_nan = (float, np.floating, Decimal, np.datetime64, np.timedelta64)
    return isinstance(value, may_be_nan) and bool(value != value)


def _is_unhashable(value):
    try:
        hash(value)
    except TypeError:
        return True
    return False


# --- from one kind to the other -----------------------------------------------------------------


def as_numbers(column: Column, label: str) -> Numbers:
    """A column that held numbers in fit; ValueError where a value is none."""
    if isinstance(column, Numbers):
        return column
    texts = _occurring(column, [isinstance(level, str) for level in column.levels])
    if texts:
        _refuse_other_type(label, "numbers", "", texts)
    # unused categories may be text
    numbers = [np.nan if isinstance(level, str) else float(level) for level in column.levels]
    return Numbers(np.array([*numbers, np.nan])[column.codes])


def as_levels(column: Column, label: str, known: Sequence[Level]) -> Levels:
    """A column that held the known levels in fit, and now holds the same ones or others.

    ValueError where known levels are text and a value is none, or the other way round: no value
    of one type is equal to one of the other. Without known levels, or with both, any value may
    come.
    """
    types = {isinstance(level, str) for level in known}
    is_text = types.pop() if len(types) == 1 else None
    if isinstance(column, Numbers):
        is_present = ~np.isnan(column.values)
        if is_text and is_present.any():
            first = dict.fromkeys(column.values[is_present][:100].tolist())
            _refuse_other_levels(label, known, list(first))
        codes = np.full(len(column.values), -1, dtype=np.intp)
        levels, codes[is_present] = np.unique(column.values[is_present], return_inverse=True)
        return Levels(codes, levels.tolist(), is_declared=True)
    if is_text is not None:
        others = _occurring(column, [isinstance(level, str) != is_text for level in column.levels])
        if others:
            _refuse_other_levels(label, known, others)
    return column


def _occurring(column, is_meant):
    """Those of some levels that there are in the rows."""
    places = [i for i, one in enumerate(is_meant) if one]
    if not places:
        return []
    return [column.levels[i] for i in np.intersect1d(places, column.codes)]


def is_number(level: Level) -> bool:
    """Whether it is a number, or the text of one."""
    try:
        float(level)
    except ValueError:
        return False
    return True


def check_no_dates(y: Any) -> None:
    """ValueError for targets that are dates or times: scikit-learn's checks make them numbers."""
    if type(y).__module__.partition(".")[0] == "pyarrow":
        y = np.asarray(y)
    is_frame = hasattr(y, "columns")
    for dtype in getattr(y, "dtypes", ()) if is_frame else [getattr(y, "dtype", None)]:
        is_temporal = getattr(dtype, "is_temporal", bool)  # of polars
        if getattr(dtype, "kind", "") in ("m", "M") or is_temporal():
            raise ValueError(
                f"y must hold numbers, got dates or times ({dtype}): give the time since a fixed "
                "date, for example in days."
            )


# --- errors -------------------------------------------------------------------------------------


def shown(values: Iterable[Any], n_values: int = 2) -> str:
    """The first values, shortened: for a message."""
    texts = [repr(value) for value, _ in zip(values, range(n_values), strict=False)]
    short = [text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..." for text in texts]
    return " and ".join(short)


def _refuse_dates(label: str, kind: Any) -> NoReturn:
    raise ValueError(
        f"There are dates or times ({kind}) in {label}. Replace them by numbers that may matter: "
        "the year, the month, the day of the week, the hour, or the time since a fixed date."
    )


def _refuse_complex(label: str) -> NoReturn:
    raise ValueError(
        f"Complex data not supported: there are complex numbers in {label}. Replace them by real "
        "and imaginary parts."
    )


def _refuse_other_levels(label: str, known: Sequence[Level], found: Sequence[Level]) -> NoReturn:
    _refuse_other_type(label, _kind_of(known), f", for example {shown(known)}", found)


def _refuse_other_type(label: str, was: str, such_as: str, found: Sequence[Level]) -> NoReturn:
    plain = [int(one) if isinstance(one, float) and one.is_integer() else one for one in found]
    there_was = "there was text" if was == "text" else f"there were {was}"
    there_is = "there is text" if _kind_of(found) == "text" else f"there are {_kind_of(found)}"
    to = {"text": "text, written as in fit, with None", "numbers": "numbers, with None or NaN"}
    raise ValueError(
        f"In {label} {there_was} in fit{such_as}, and now {there_is}, for example {shown(plain)}. "
        f"Convert it to {to.get(was, f'{was}, with None')} where a value is missing."
    )


def _kind_of(levels):
    """What levels are called in a message."""
    if all(isinstance(level, bool) for level in levels):
        return "booleans"
    return "text" if any(isinstance(level, str) for level in levels) else "numbers"


def _refuse_type(label: str, kind: str) -> NoReturn:
    raise TypeError(
        f"There are values of type {kind} in {label}. A column of a table holds numbers, booleans, "
        "text or categories: drop the column, or make one or several of these of it."
    )


def _type_of(value):
    return f"{type(value).__name__} (for example {shown([value])})"
