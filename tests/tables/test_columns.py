"""The same table from every library is the same matrix, and what cannot be used is named."""

import datetime
import decimal
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from internals import TableEncoder
from scipy import sparse

N_ROWS = 60


def polars_frame(frame):
    """In the gate, polars and pyarrow are always there (the extra test-tables)."""
    return pytest.importorskip("polars").DataFrame(
        {name: plain(column) for name, column in frame.items()}, strict=False
    )


def arrow_table(frame):
    pyarrow = pytest.importorskip("pyarrow")
    return pyarrow.table({name: plain(column) for name, column in frame.items()})


def arrow_chunks(frame):
    pyarrow = pytest.importorskip("pyarrow")
    return pyarrow.concat_tables([arrow_table(frame[:7]), arrow_table(frame[7:])])


def arrow_backed(frame):
    pytest.importorskip("pyarrow")
    return frame.convert_dtypes(dtype_backend="pyarrow")


def plain(column):
    return [None if pd.isna(value) else value for value in column.tolist()]


def lists(frame):
    return [list(row) for row in zip(*map(plain, map(frame.get, frame)), strict=True)]


LIBRARIES = {
    "pandas": lambda frame: frame,
    "pandas of objects": lambda frame: frame.astype(object),
    "pandas, nullable": lambda frame: frame.convert_dtypes(),
    "pandas, of arrow": arrow_backed,
    "polars": polars_frame,
    "arrow": arrow_table,
    "arrow, in chunks": arrow_chunks,
    "arrow batch": lambda frame: arrow_table(frame).to_batches()[0],
    "NumPy": lambda frame: frame.to_numpy(dtype=object),
    "lists": lists,
}
each_library = pytest.mark.parametrize("convert", LIBRARIES.values(), ids=LIBRARIES)


def make_frame(n_rows=N_ROWS):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "weight": rng.normal(70, 10, n_rows),
            "count": rng.integers(0, 2**40, n_rows),
            "gaps": np.where(rng.random(n_rows) < 0.3, np.nan, rng.normal(size=n_rows)),
            "is_new": rng.random(n_rows) < 0.5,
            "city": rng.choice(["Rome", "Łódź", "", "Oslo"], n_rows),
            "side": rng.choice(["left", "right"], n_rows),
        }
    )
    frame["maybe"] = pd.Series(rng.choice([True, False, None], n_rows), dtype=object)
    frame["region"] = pd.Series(rng.choice(["n", "s", None], n_rows), dtype=object)
    return frame


def labelled(X, i):
    """How messages call the column."""
    return f"column '{X.columns[i]}'" if hasattr(X, "columns") else f"column {i}"


@each_library
@pytest.mark.parametrize("n_bins", [0, 5])
@pytest.mark.filterwarnings("ignore:X does not have valid feature names:UserWarning")
def test_every_library_gives_the_same_matrix(convert, n_bins):
    frame = make_frame()
    fitted = TableEncoder(n_bins=n_bins).fit(frame)
    expected = fitted.transform(frame)
    X = convert(frame)
    encoder = TableEncoder(n_bins=n_bins).fit(X)
    encoded = encoder.transform(X)
    assert encoded.dtype == np.float32 and encoded.flags.c_contiguous
    np.testing.assert_array_equal(encoded, expected)
    np.testing.assert_array_equal(encoder.feature_of_column_, fitted.feature_of_column_)
    # fitted on one library, used with another
    np.testing.assert_array_equal(fitted.transform(X), expected)
    if convert not in (lists, LIBRARIES["NumPy"]):
        assert encoder.feature_names_in_.tolist() == frame.columns.tolist()
        np.testing.assert_array_equal(
            encoder.get_feature_names_out(), fitted.get_feature_names_out()
        )
    else:
        assert not hasattr(encoder, "feature_names_in_")


@each_library
def test_number_that_becomes_text_is_named(convert):
    frame = make_frame()
    encoder = TableEncoder().fit(convert(frame))
    frame["weight"] = frame["city"]
    X = convert(frame)
    name = "'weight'" if hasattr(encoder, "feature_names_in_") else "0"
    with pytest.raises(ValueError, match=f"column {name} there were numbers in fit.*'"):
        encoder.transform(X)


@each_library
@pytest.mark.parametrize("name", ["city", "is_new", "maybe", "region"])
def test_levels_of_another_type_are_named(convert, name):
    frame = make_frame()
    encoder = TableEncoder().fit(convert(frame))
    is_text = name in ("city", "region")
    frame[name] = np.arange(len(frame)) if is_text else np.resize(["no", "yes"], len(frame))
    was, now = ("text", "numbers, for .* 0 and 1") if is_text else ("booleans", "text, .* 'no'")
    place = f"'{name}'" if hasattr(encoder, "feature_names_in_") else frame.columns.get_loc(name)
    with pytest.raises(ValueError, match=f"In column {place} .* {was} in fit, .* now .* {now}"):
        encoder.transform(convert(frame))


@each_library
def test_infinite_numbers_are_named(convert):
    frame = make_frame()
    encoder = TableEncoder().fit(convert(frame))
    frame.loc[8, "gaps"] = -np.inf
    X = convert(frame)
    for method in encoder.transform, TableEncoder().fit:
        with pytest.raises(
            ValueError, match=r"infinite.*column ('gaps'|2), first in row 8, counted from 0.*NaN"
        ):
            method(X)


@each_library
def test_dates_are_named(convert):
    frame = make_frame()
    frame["when"] = pd.date_range("2020-01-01", periods=len(frame))
    with pytest.raises(ValueError, match=r"dates or times .* in column ('when'|8).*the year"):
        TableEncoder().fit(convert(frame))


def categories(values):
    return pd.Series(values).astype("category")


CATEGORIES = {
    "unordered": categories,
    "ordered": lambda values: pd.Series(
        pd.Categorical(values, ["unused", "c", "a", "b"], ordered=True)
    ),
    "polars": lambda values: polars_series(values, "Categorical"),
    "polars, of a fixed set": lambda values: polars_series(values, ["unused", "c", "a", "b"]),
    "arrow": lambda values: arrow_dictionary(values),
    "pandas, of arrow": lambda values: pd.Series(
        arrow_dictionary(values).to_pandas(), dtype=arrow_dtype("dictionary")
    ),
}


INDEX_TYPES = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]


@pytest.mark.parametrize("index", INDEX_TYPES)
@pytest.mark.parametrize("is_chunked", [False, True])
def test_dictionaries_of_every_index_type(index, is_chunked):
    pyarrow = pytest.importorskip("pyarrow")
    codes = pyarrow.array([1, 0, None, 2, 1], getattr(pyarrow, index)())
    column = pyarrow.DictionaryArray.from_arrays(codes, ["a", "b", "c"])
    if is_chunked:
        column = pyarrow.chunked_array([column[:2], column[2:]])
    frame = pd.DataFrame({"x": pd.arrays.ArrowExtensionArray(column)})
    for X in pyarrow.table({"x": column}), frame:
        assert TableEncoder().fit_transform(X).argmax(axis=1).tolist() == [1, 0, 3, 2, 1]


def test_categories_of_polars_as_arrow_tables():
    polars, values = pytest.importorskip("polars"), ["b", "a", None, "c", "b"]
    for kind in "Categorical", ["c", "b", "a"]:
        X = polars.DataFrame({"x": polars_series(values, kind)}).to_arrow()
        assert TableEncoder().fit_transform(X).argmax(axis=1).tolist() == [1, 0, 3, 2, 1]


def polars_series(values, kind):
    polars = pytest.importorskip("polars")
    return polars.Series(
        values, dtype=polars.Enum(kind) if isinstance(kind, list) else polars.Categorical
    )


def arrow_dictionary(values):
    return pytest.importorskip("pyarrow").array(values).dictionary_encode()


def arrow_dtype(kind):
    pyarrow = pytest.importorskip("pyarrow")
    types = {
        "dictionary": pyarrow.dictionary(pyarrow.int32(), pyarrow.string()),
        "decimal": pyarrow.decimal128(9, 2),
        "list": pyarrow.list_(pyarrow.int64()),
        "date": pyarrow.date32(),
        "binary": pyarrow.binary(),
    }
    return pd.ArrowDtype(types[kind])


def table_of(column):
    """A table of one column, "x", of the column's library."""
    library = type(column).__module__.partition(".")[0]
    if library in ("polars", "pyarrow"):
        module = sys.modules[library]
        return (
            module.DataFrame({"x": column}) if library == "polars" else module.table({"x": column})
        )
    return pd.DataFrame({"x": column})


@pytest.mark.parametrize("make", CATEGORIES.values(), ids=CATEGORIES)
def test_categories(make):
    """Levels are sorted, whatever order the type gives them, and unused ones are left out."""
    X = table_of(make(["b", "a", None, "c", "b"]))
    encoder = TableEncoder().fit(X)
    assert encoder.get_feature_names_out().tolist() == ["x_a", "x_b", "x_c", "x_missing"]
    places = encoder.transform(X).argmax(axis=1)
    assert places.tolist() == [1, 0, 3, 2, 1]


def test_many_categories_are_no_free_text():
    values = [f"level {i}" for i in range(200)]
    X = table_of(categories(values))
    assert TableEncoder().fit_transform(X).shape == (200, 64)
    with pytest.raises(ValueError, match="text"):
        TableEncoder().fit(pd.DataFrame({"x": values}))


def test_categories_of_any_type_count_by_how_they_print():
    cut = pd.cut(pd.Series([1.0, 5, 9, 1]), 3)
    names = TableEncoder().fit(table_of(cut)).get_feature_names_out()
    assert len(names) == 3 and all("(" in name and "]" in name for name in names)
    days = categories(pd.to_datetime(["2020-01-01", "2020-01-02", "2020-01-01"]))
    assert TableEncoder().fit_transform(table_of(days)).tolist() == [[-1], [1], [-1]]


NUMBERS = {
    "decimals": lambda: [decimal.Decimal("1.5"), decimal.Decimal(3), decimal.Decimal("NaN")],
    "fractions": lambda: [Fraction(3, 2), 3, None],
    "integers of any size": lambda: [1.5, 10**400 // 10**400 * 3, None],
    "NumPy's": lambda: [np.float32(1.5), np.int8(3), np.float64("nan")],
    "nullable": lambda: pd.array([1.5, 3, None], dtype="Float32"),
    "missing ones only in objects": lambda: pd.array([1.5, 3, pd.NA], dtype=object),
    "sparse": lambda: pd.arrays.SparseArray([1.5, 3, np.nan]),
    "arrow's decimals": lambda: pd.array(
        [decimal.Decimal("1.5"), decimal.Decimal(3), None], dtype=arrow_dtype("decimal")
    ),
    "categories": lambda: pd.Categorical([1.5, 3, None]),
    "half precision": lambda: np.array([1.5, 3, np.nan], dtype=np.float16),
    "extended precision": lambda: np.array([1.5, 3, np.nan], dtype=np.longdouble),
    "foreign byte order": lambda: np.array([1.5, 3, np.nan], dtype=">f8"),
}


@pytest.mark.parametrize("make", NUMBERS.values(), ids=NUMBERS)
def test_numbers_of_every_type(make):
    encoder = TableEncoder().fit(pd.DataFrame({"x": [1.0, 2.0, 3.0, 4.0, np.nan]}))
    expected = encoder.transform(pd.DataFrame({"x": [1.5, 3.0, np.nan]}))
    np.testing.assert_array_equal(encoder.transform(pd.DataFrame({"x": make()})), expected)


NO_COLUMNS = {
    "times": ([datetime.time(1), datetime.time(2)], ValueError, "dates or times"),
    "days": ([datetime.date(2020, 1, 1), None], ValueError, "dates or times"),
    "durations": (pd.to_timedelta([1, 2], unit="h"), ValueError, "dates or times"),
    "zones": (pd.date_range("2020", periods=2, tz="UTC"), ValueError, "dates or times"),
    "periods": (pd.period_range("2020", periods=2, freq="M"), ValueError, "dates or times"),
    "dates that are missing": (np.array(["NaT", "NaT"], "datetime64[ns]"), ValueError, "dates"),
    "dates among others": (["a", pd.Timestamp("2020")], ValueError, "dates or times"),
    "lists": ([[1, 2], [3]], TypeError, r"list \(for example \[1, 2\]\)"),
    "dicts": ([None, {"a": 1}], TypeError, r"dict \(for example \{'a': 1\}\)"),
    "arrays": ([np.ones(2), np.ones(2)], TypeError, "ndarray"),
    "tuples": ([(1, 2), (3, 4)], TypeError, "tuple"),
    "bytes": ([b"a", b"b"], TypeError, "bytes"),
    "intervals": (pd.arrays.IntervalArray.from_tuples([(0, 1), (1, 2)]), TypeError, "Interval"),
    "objects": ([object(), "a"], TypeError, "object"),
    "complex": ([1j, 2.0], ValueError, "Complex data not supported"),
    "complex arrays": (np.array([1j, 2]), ValueError, "Complex data not supported"),
    "infinite categories": (pd.Categorical([np.inf, 2.0]), ValueError, "infinite"),
    "integers beyond any float": ([10**400, 1], ValueError, "infinite numbers, or numbers too"),
}


@pytest.mark.parametrize(("column", "kind", "words"), NO_COLUMNS.values(), ids=NO_COLUMNS)
def test_what_is_no_column(column, kind, words):
    column = pd.Series(column, dtype=object) if isinstance(column, list) else column
    X = pd.DataFrame({"a": [1.0, 2.0], "odd one": column})
    with pytest.raises(kind, match=f"(?s){words}.*"):
        TableEncoder().fit(X)
    with pytest.raises(kind, match="column 'odd one'"):
        TableEncoder().fit(X)


@pytest.mark.parametrize("kind", ["list", "date", "binary"])
def test_what_is_no_column_of_arrow(kind):
    values = {
        "list": [[1], None],
        "date": [datetime.date(2020, 1, 1), None],
        "binary": [b"a", b"b"],
    }
    series = pd.Series(pd.array(values[kind], dtype=arrow_dtype(kind)))
    table = sys.modules["pyarrow"].table({"x": series.array.__arrow_array__()})
    for X in pd.DataFrame({"x": series}), table:
        with pytest.raises((TypeError, ValueError), match=f"{kind}.* in column 'x'"):
            TableEncoder().fit(X)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([[1], None], "List"),
        ([{"a": 1}], "Struct"),
        ([datetime.timedelta(1)], "Duration"),
        ([datetime.time(1)], "Time"),
        ([b"a"], "bytes"),
    ],
)
def test_what_is_no_column_of_polars(values, kind):
    polars = pytest.importorskip("polars")
    with pytest.raises((TypeError, ValueError), match=f"{kind}.* in column 'x'"):
        TableEncoder().fit(polars.DataFrame({"x": values}))


@pytest.mark.parametrize(
    ("X", "words"),
    [
        (np.array([["2020-01-01"]], "datetime64[D]"), "dates or times .* in column 0"),
        (np.array([[1]], "timedelta64[h]"), "dates or times .* in column 0"),
        (np.array([[1j]]), "Complex data not supported"),
        (np.array([[b"a"]]), "bytes.* in column 0"),
        (np.zeros((2, 2), dtype=[("a", float)]), "dtype"),
        (np.ma.masked_array([[1.0]], mask=[[True]]), "mask"),
        ([[1.0, 2.0], [1.0]], "Expected 2|setting an array element"),
        ({"a": [1.0, 2.0]}, "X is a dict: make a table"),
    ],
)
def test_arrays_that_are_no_tables(X, words):
    with pytest.raises((TypeError, ValueError), match=words):
        TableEncoder().fit(X)


def test_arrays_of_every_kind_are_tables():
    expected = TableEncoder().fit_transform(pd.DataFrame({"a": [1, 2, 3], "b": [4, 5, 9]}))
    for dtype in np.float16, np.uint8, ">i8", object, np.longdouble:
        for order in "CF":
            X = np.array([[1, 4], [2, 5], [3, 9]], dtype=dtype, order=order)
            np.testing.assert_array_equal(TableEncoder().fit_transform(X), expected)
    text = np.array([["a", "1"], ["b", "2"]])
    assert TableEncoder().fit_transform(text).tolist() == [[-1, -1], [1, 1]]
    flags = np.array([[True], [False]])
    assert TableEncoder().fit_transform(flags).tolist() == [[1], [-1]]


def test_columns_without_any_value():
    polars, pyarrow = pytest.importorskip("polars"), pytest.importorskip("pyarrow")
    for X in (
        pd.DataFrame({"x": pd.Series([None, None], dtype=object)}),
        polars.DataFrame({"x": [None, None]}),
        pyarrow.table({"x": pyarrow.nulls(2)}),
    ):
        encoder = TableEncoder().fit(X)
        assert encoder.transform(X).tolist() == [[1], [1]]
        assert encoder.get_feature_names_out().tolist() == ["x_missing"]
        assert encoder.transform(pd.DataFrame({"x": ["a", None]})).tolist() == [[0], [1]]


def test_a_lazy_frame_is_no_table_yet():
    with pytest.raises(TypeError, match=r"X\.collect\(\)"):
        TableEncoder().fit(polars_frame(make_frame()).lazy())


def test_sparse_matrices_are_for_the_plain_estimators():
    with pytest.raises(TypeError, match=r"sparse.*BackpropClassifier and BackpropRegressor"):
        TableEncoder().fit(sparse.csr_matrix(np.eye(3)))


@pytest.mark.parametrize("convert", [LIBRARIES["pandas"], polars_frame, arrow_table])
def test_tables_without_rows_or_columns(convert):
    with pytest.raises(ValueError, match=r"0 sample\(s\)"):
        TableEncoder().fit(convert(make_frame()[["weight"]][:0]))
    with pytest.raises(ValueError, match=r"0 feature\(s\)|0 sample\(s\)"):
        TableEncoder().fit(convert(make_frame()[[]]))


def test_one_column_is_no_table():
    for X in make_frame()["weight"], polars_frame(make_frame())["weight"], [1.0, 2.0]:
        with pytest.raises(ValueError, match="Expected (a )?2"):
            TableEncoder().fit(X)


@pytest.mark.slow
def test_no_library_of_tables_is_needed():
    """In a process of its own, in which none of them can be imported."""
    code = """
import sys

class Nowhere:
    def find_spec(name, *args):
        if name in ("pandas", "polars", "pyarrow"):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Nowhere)
from fastbp.tables.encoder import TableEncoder

X = [[1.0, "a"], [None, "b"], [2.0, "b"]]
print(TableEncoder(n_bins=3).fit_transform(X).shape)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "(3, 6)", done.stderr
