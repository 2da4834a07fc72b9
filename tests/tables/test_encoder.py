"""TableEncoder: what each column becomes, unseen values, checks of the columns, records."""

import json
import pickle
import tracemalloc
import warnings

import numpy as np
import pandas as pd
import pytest
from internals import MAX_LEVELS, TableEncoder
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from fastbp import PiecewiseLinearEncoder, RobustSmoothScaler


def encode(values, unseen=None):
    """A column fitted, and the same or other values of it encoded."""
    encoder = TableEncoder().fit(pd.DataFrame({"x": values}))
    unseen = values if unseen is None else unseen
    return encoder.transform(pd.DataFrame({"x": unseen})).tolist()


def names_of(values):
    return TableEncoder().fit(pd.DataFrame({"x": values})).get_feature_names_out().tolist()


def make_table(n_rows=120):
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "city": rng.choice(["Rome", "Oslo", "Bern"], n_rows),
            "age": rng.integers(18, 90, n_rows),
            "is_new": rng.random(n_rows) < 0.5,
            "income": np.where(rng.random(n_rows) < 0.2, np.nan, rng.lognormal(10, 1, n_rows)),
            "sex": pd.Series(rng.choice(["f", "m", None], n_rows)).astype("category"),
        }
    )


def test_order_of_the_columns():
    """Numbers, their missing values, signs, levels, bins; each in the order of the table."""
    encoder = TableEncoder(n_bins=2).fit(make_table())
    assert encoder.get_feature_names_out().tolist() == [
        *("age", "income", "income_missing", "is_new_True"),
        *("city_Bern", "city_Oslo", "city_Rome", "sex_f", "sex_m", "sex_missing"),
        *("age_bin1", "age_bin2", "income_bin1", "income_bin2"),
    ]
    assert encoder.feature_of_column_.tolist() == [1, 3, 3, 2, 0, 0, 0, 4, 4, 4, 1, 1, 3, 3]
    assert encoder.n_numbers_ == 2 and encoder.n_features_in_ == 5
    assert encoder.transform(make_table()).shape == (120, 14)


def test_numbers_are_those_of_the_public_transformers():
    X = make_table()
    encoder = TableEncoder(n_bins=16).fit(X)
    encoded = encoder.transform(X)
    numbers = X[["age", "income"]].to_numpy(dtype=float)
    scaled = np.nan_to_num(RobustSmoothScaler().fit_transform(numbers))
    bins = PiecewiseLinearEncoder(16).fit_transform(numbers)
    np.testing.assert_array_equal(encoded[:, :2], scaled.astype(np.float32))
    np.testing.assert_array_equal(encoded[:, -bins.shape[1] :], bins.astype(np.float32))


def test_large_numbers_keep_their_differences():
    """A time in nanoseconds: subtracted in float64, before anything is rounded to float32."""
    x = 1.7e18 + 1e9 * np.arange(5)
    assert encode(x) == encode(np.arange(5.0))
    assert encode(x.astype(np.int64)) == encode(np.arange(5.0))


def test_missing_numbers_are_the_median_and_say_so():
    assert encode([1.0, 2.0, 3.0, None])[3] == [0, 1]
    assert [row[1] for row in encode([1.0, 2.0, 3.0, None])] == [0, 0, 0, 1]
    # not seen in fit: no column says so
    assert encode([1.0, 2.0, 3.0], [np.nan]) == [[0]]
    assert names_of([1.0, None]) == ["x", "x_missing"]


def test_constant_numbers_and_numbers_that_are_all_missing():
    assert encode([5.0, 5.0], [5.0, 1e9, None]) == [[0], [0], [0]]
    assert encode([np.nan, np.nan], [np.nan, 3.0]) == [[0, 1], [0, 0]]


def test_two_levels_are_a_sign():
    assert encode(["b", "a", "b"]) == [[1], [-1], [1]]
    assert names_of(["b", "a", "b"]) == ["x_b"]
    assert encode([True, False]) == [[1], [-1]]
    assert encode(["b", "a"], ["c", None, "a"]) == [[0], [0], [-1]]


def test_levels_have_a_column_each():
    assert encode(["b", "a", "c"]) == [[0, 1, 0], [1, 0, 0], [0, 0, 1]]
    assert encode(["b", "a", "c"], ["unseen", None]) == [[0, 0, 0], [0, 0, 0]]
    # two, and missing values: no sign
    assert encode(["b", None, "a"]) == [[0, 1, 0], [0, 0, 1], [1, 0, 0]]
    assert names_of(["b", None, "a"]) == ["x_a", "x_b", "x_missing"]


def test_one_level():
    assert encode(["a", "a"], ["a", "b", None]) == [[1], [0], [0]]
    assert encode([True, True], [True, False]) == [[1], [0]]


def test_levels_of_several_types():
    values = pd.Series([3, "3", True, 2.5, None], dtype=object)
    assert names_of(values) == ["x_True", "x_2.5", "x_3", "x_3_", "x_missing"]
    assert encode(values) == np.eye(5)[[2, 3, 0, 1, 4]].tolist()


@pytest.mark.parametrize("kind", [float, "Int64", object, "category"])
def test_levels_that_are_equal_are_the_same_in_every_type(kind):
    fitted = pd.Series([1, 2, 3]).astype("category")
    assert encode(fitted, pd.Series([3, 1, 7]).astype(kind)) == [[0, 0, 1], [1, 0, 0], [0, 0, 0]]
    with pytest.raises(ValueError, match="numbers in fit, for example 1 and 2, and now .* text"):
        encode(fitted, ["3", "1"])


def test_booleans_may_come_as_numbers_and_numbers_as_booleans():
    assert encode([True, False], [0, 1]) == [[-1], [1]]
    assert encode([0, 1, 1], [False, True]) == encode([0, 1, 1], [0, 1])


OTHER_TYPES = {
    "integers": (["10115", "20095"], [10115, 10115, 20095], "text", "numbers", "10115 and 20095"),
    "floats": (["1", "2"], [1.5, None], "text", "numbers", "1.5"),
    "whole floats": (["1", "2"], [3.0, np.nan], "text", "numbers", "3"),
    "booleans": (["True", "False"], [True, None], "text", "booleans", "True"),
    "one number": (["a", "b"], ["a", 7], "text", "numbers", "7"),
    "categories": (["1", "2"], pd.Categorical([1, 2]), "text", "numbers", "1 and 2"),
    "text for booleans": ([True, False], ["yes", None], "booleans", "text", "'yes'"),
    "categories for booleans": ([True, False], pd.Categorical(["a"]), "booleans", "text", "'a'"),
    "text for integers": (pd.Categorical([1, 2]), ["1", "2"], "numbers", "text", "'1' and '2'"),
    "one text": (pd.Categorical([1, 2]), [1, "2"], "numbers", "text", "'2'"),
}


@pytest.mark.parametrize(
    ("values", "later", "was", "now", "example"), OTHER_TYPES.values(), ids=OTHER_TYPES
)
def test_levels_of_another_type_are_named(values, later, was, now, example):
    """They would all be unknown."""
    later = later if isinstance(later, pd.Categorical) else pd.Series(later, dtype=object)
    words = f"In column 'x' there (was|were) {was} in fit, for example .*, and now there (is|are) "
    words += f"{now}, for example {example}. Convert it to {was}, .* where a value is missing."
    with pytest.raises(ValueError, match=f"^{words}$"):
        encode(values, later)


@pytest.mark.parametrize("values", [["a", "b"], [True, False], pd.Categorical([1, 2]), [1.5, 2.5]])
@pytest.mark.parametrize(
    "dtype", [float, object, "string", "boolean", "Int64", "category", "unused"]
)
def test_columns_without_values_have_any_type(values, dtype):
    missing = pd.Series([None] * 30, dtype=object)
    for unused in ["z", "y"], [7, 8]:
        if dtype == "unused":
            later = pd.Series(pd.Categorical(missing, unused))
        else:
            later = missing.astype(dtype)
        assert encode(values, later) == [[0]] * 30


def test_levels_of_both_types_may_come_as_either():
    values = pd.Series([1, "1", None], dtype=object)
    assert encode(values, [1, 2]) == [[1, 0, 0], [0, 0, 0]]
    assert encode(values, ["1", "2"]) == [[0, 1, 0], [0, 0, 0]]
    # also where those of one type are rare, and share a column
    rare = pd.Categorical([f"l{i}" for i in range(MAX_LEVELS)] * 2 + [3, 4])
    encoder = TableEncoder().fit(pd.DataFrame({"x": rare}))
    restored = TableEncoder._from_record(json.loads(json.dumps(encoder._as_record())))
    for one in encoder, restored:
        assert one.transform(pd.DataFrame({"x": [3, 9]}))[:, -1].tolist() == [1, 1]


def test_columns_of_unknown_values_are_named():
    table = pd.DataFrame({"a": ["u", "v"] * 20, "n": 1.0, "b": ["x", "y", "z", None] * 10})
    table["of_many"] = pd.Categorical([f"l{i}" for i in range(40)])
    table["many"] = pd.Categorical(np.arange(40))
    encoder = TableEncoder().fit(table)
    blanks = table.assign(a=table.a + " ", b=table.b + " ")
    with pytest.warns(UserWarning) as caught:
        encoder.transform(blanks)
    (one,) = caught
    assert str(one.message).startswith("No value in column 'a', column 'b' was there in fit; all")
    assert "In column 'a' there is now, for example, 'u ', and in fit 'u' and 'v'." in str(
        one.message
    )
    assert one.filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoder.transform(blanks[:19])  # few
        encoder.transform(blanks.assign(a="u", b=[*["z"], *["-"] * 39]))  # one is known
        encoder.transform(table.assign(a=None, b=[None] * 21 + ["-"] * 19))  # missing


def test_unknown_values_beside_rare_ones():
    levels = [f"l{i:03}" for i in range(MAX_LEVELS + 9)]
    encoder = TableEncoder().fit(pd.DataFrame({"x": pd.Categorical(levels * 2)}))
    with pytest.warns(UserWarning, match="No value in column 'x' was there in fit"):
        encoded = encoder.transform(pd.DataFrame({"x": ["new"] * 20}))
    assert (encoded[:, -1] == 1).all()


def test_the_rarest_of_many_levels_share_a_column():
    counts = [5] * (MAX_LEVELS - 1) + [2, 1]
    values = np.repeat([f"l{i:03}" for i in range(len(counts))], counts)
    X = pd.DataFrame({"x": pd.Series(values).sample(frac=1, random_state=0)}).astype("category")
    encoder = TableEncoder().fit(X)
    names = encoder.get_feature_names_out().tolist()
    assert names == [f"x_l{i:03}" for i in range(MAX_LEVELS - 1)] + ["x_other"]
    shown = encoder.transform(pd.DataFrame({"x": ["l063", "l064", "unseen", None, "l000"]}))
    assert shown[:3, -1].tolist() == [1, 1, 1] and (shown[:3, :-1] == 0).all()
    assert not shown[3].any()
    assert shown[4].tolist() == [1] + [0] * (MAX_LEVELS - 1)
    # exactly as many as there are columns: none is shared
    fewer = TableEncoder().fit(X[~X["x"].isin(["l064"])])
    assert fewer.get_feature_names_out()[-1] == "x_l063"


def test_text_of_many_values_is_no_category():
    values = [f"a long sentence that nobody wrote twice, number {i}" for i in range(51)]
    with pytest.raises(ValueError, match=r"column 'x' .* 51 different values in 51 rows") as error:
        TableEncoder().fit(pd.DataFrame({"x": values}))
    assert str(error.value).count("a long sentence") == 2 and "..." in str(error.value)
    assert "astype('category')" in str(error.value)
    assert TableEncoder().fit_transform(pd.DataFrame({"x": values[:50]})).shape == (50, 50)
    # 5 % of the rows, up to 500
    rows = pd.DataFrame({"x": np.resize(values, 51 * 20)})
    assert TableEncoder().fit_transform(rows).shape == (1020, 51)
    rows = pd.DataFrame({"x": [f"v{i % 501}" for i in range(501 * 20)]})
    with pytest.raises(ValueError, match="Up to 500 would be taken"):
        TableEncoder().fit(rows)


def test_numbers_written_as_text_are_recognised():
    values = [*(f"{i}.5" for i in range(99)), "?"]
    with pytest.raises(ValueError, match=r"Most are numbers, though not '\?'.*to_numeric"):
        TableEncoder().fit(pd.DataFrame({"x": values}))


def test_text_at_predict_may_have_any_values():
    unseen = [f"v{i}" for i in range(200)]
    with pytest.warns(UserWarning, match="No value in column 'x' was there in fit"):
        assert not np.any(encode(["a", "b", "c"], unseen))


def test_result_does_not_depend_on_the_order_of_the_rows():
    X = make_table()
    encoder, other = TableEncoder(n_bins=4), TableEncoder(n_bins=4)
    other.fit(X.sample(frac=1, random_state=1))
    np.testing.assert_array_equal(encoder.fit(X).transform(X), other.transform(X))
    assert encoder._as_record() == other._as_record()


def test_each_row_is_encoded_as_it_would_be_alone():
    """No row sees another; and in blocks of rows."""
    X = pd.concat([make_table()] * 60, ignore_index=True)
    encoder = TableEncoder(n_bins=16).fit(X)
    encoded = encoder.transform(X)
    for i in 0, 2047, 2048, len(X) - 1:
        np.testing.assert_array_equal(encoder.transform(X[i : i + 1])[0], encoded[i])


def test_table_is_left_alone():
    X = make_table()
    before = X.copy()
    TableEncoder(n_bins=3).fit(X).transform(X)
    pd.testing.assert_frame_equal(X, before)


def test_columns_are_checked_as_scikit_learn_does():
    X = make_table()
    encoder = TableEncoder().fit(X)
    with pytest.raises(ValueError, match=r"(?s)seen at fit time, yet now missing:\n- age"):
        encoder.transform(X.drop(columns="age"))
    with pytest.raises(ValueError, match="same order"):
        encoder.transform(X[X.columns[::-1]])
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        encoder.transform(X.to_numpy())
    with pytest.raises(ValueError, match="X has 4 features, but TableEncoder is expecting 5"):
        TableEncoder().fit(X.to_numpy()).transform(X.to_numpy()[:, :4])
    with pytest.raises(NotFittedError):
        TableEncoder().transform(X)


def test_frames_without_names():
    X = make_table().set_axis(range(5), axis=1)
    encoder = TableEncoder().fit(X)
    assert not hasattr(encoder, "feature_names_in_")
    assert encoder.get_feature_names_out()[0] == "x1"


def test_names_are_different():
    X = pd.DataFrame({"x": [1.0, None], "x_missing": [1.0, 2.0]})
    names = TableEncoder().fit(X).get_feature_names_out().tolist()
    assert names == ["x", "x_missing", "x_missing_"]


def test_result_is_an_array_whatever_is_configured():
    with config_context(transform_output="pandas"):
        assert type(TableEncoder().fit_transform(make_table())) is np.ndarray


def test_second_fit_forgets_the_first():
    encoder = TableEncoder().fit(make_table())
    encoder.fit([[1.0], [2.0]])
    assert not hasattr(encoder, "feature_names_in_") and encoder.n_features_in_ == 1
    assert encoder.transform([[1.5]]).tolist() == [[0]]


@pytest.mark.parametrize("n_bins", [0, 5])
def test_pickle_clone_and_record(n_bins):
    X = make_table()
    X["mixed"] = pd.Series(np.resize(np.array([1, "1", True, 0.5, None], dtype=object), len(X)))
    encoder = TableEncoder(n_bins=n_bins).fit(X)
    expected = encoder.transform(X)
    text = json.dumps(encoder._as_record(), allow_nan=False)
    restored = TableEncoder._from_record(json.loads(text))
    for copied in restored, pickle.loads(pickle.dumps(encoder)), clone(encoder).fit(X):
        np.testing.assert_array_equal(copied.transform(X), expected)
        assert copied.get_params() == encoder.get_params()
        assert list(copied.get_feature_names_out()) == list(encoder.get_feature_names_out())
        for name in "n_features_in_", "n_numbers_":
            assert getattr(copied, name) == getattr(encoder, name)
        np.testing.assert_array_equal(copied.feature_names_in_, encoder.feature_names_in_)
        np.testing.assert_array_equal(copied.feature_of_column_, encoder.feature_of_column_)
    assert restored._as_record() == encoder._as_record()
    unnamed = TableEncoder().fit(X.to_numpy())
    assert not hasattr(TableEncoder._from_record(unnamed._as_record()), "feature_names_in_")


def broken_records():
    """Each value of a record in turn replaced by some that it cannot have."""
    record = TableEncoder(n_bins=2).fit(make_table())._as_record()
    number = next(i for i, one in enumerate(record["columns"]) if one["kind"] == "numbers")
    level = next(i for i, one in enumerate(record["columns"]) if one["kind"] == "levels")
    wrong = {
        ("n_bins",): [-1, "2", None],
        ("feature_names",): [["a"], 5, [1, 2, 3, 4, 5]],
        ("columns",): [None, 3, [None], [{}], [{"kind": "dates"}], []],
        ("columns", number, "center"): [None, "1", float("nan"), 10**400],
        ("columns", number, "scale"): [-1.0, float("inf"), None],
        ("columns", number, "has_missing"): [None, 1],
        ("columns", number, "edges"): [None, [1.0], [2.0, 1.0], [1.0, 1.0], ["a", "b"]],
        ("columns", level, "levels"): [None, 3, [None], [[1]], ["a", "a"], [float("nan")]],
        ("columns", level, "has_others"): [None, "no"],
    }
    for path, values in wrong.items():
        for value in values:
            broken = json.loads(json.dumps(record))
            place = broken
            for step in path[:-1]:
                place = place[step]
            place[path[-1]] = value
            yield pytest.param(broken, id=f"{path}={value!r}"[:70])
            del place[path[-1]]
            yield pytest.param(broken, id=f"without {path}")
    yield pytest.param([], id="list")
    yield pytest.param(None, id="None")


@pytest.mark.parametrize("record", list(broken_records()))
def test_broken_records_are_refused(record):
    with pytest.raises(ValueError):
        TableEncoder._from_record(record)


def test_memory():
    """Little beside the result: columns are read and encoded one at a time."""
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(20_000, 20)))
    X = X.add_prefix("x")
    X["text"] = np.resize(["a", "b", "c"], len(X))
    encoder = TableEncoder(n_bins=8).fit(X)
    tracemalloc.start()
    try:
        encoded = encoder.transform(X)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1.3 * encoded.nbytes
    tracemalloc.start()
    try:
        encoder.fit(X)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 0.5 * encoded.nbytes
