"""What Dask collections may be like, and what their predictions are."""

import importlib
import sys

import numpy as np
import pytest
from problems import CUT_SHORT, make_classes, make_named_classes, make_regression

from fastbp import save_model, to_c

da = pytest.importorskip("dask.array")
pd = pytest.importorskip("pandas")
dd = pytest.importorskip("dask.dataframe")
DaskBackpropClassifier = pytest.importorskip("fastbp.dask").DaskBackpropClassifier
DaskBackpropRegressor = pytest.importorskip("fastbp.dask").DaskBackpropRegressor

pytestmark = CUT_SHORT

COLUMNS = ["a", "b", "c", "d"]


def make(cls=DaskBackpropClassifier, **parameters):
    defaults = {"hidden_layer_sizes": (5,), "max_iter": 3, "solver": "rprop", "random_state": 0}
    return cls(**(defaults | parameters))


def make_frame():
    X, y = make_named_classes()
    frame = pd.DataFrame(X, columns=COLUMNS, index=np.arange(len(X)) * 2)
    frame["label"] = y
    frame["weight"] = np.arange(len(X)) / 10
    return frame


def assert_same(model, other):
    np.testing.assert_array_equal(model.network_.params, other.network_.params)


def test_a_frame_is_an_array_with_names():
    frame = make_frame()
    lazy = dd.from_pandas(frame, npartitions=4)
    model = make().fit(lazy[COLUMNS], lazy["label"], lazy["weight"])
    np.testing.assert_array_equal(model.feature_names_in_, COLUMNS)
    assert model.n_features_in_ == 4
    sizes = tuple(lazy.map_partitions(len).compute())
    X = da.from_array(frame[COLUMNS].to_numpy(), chunks=(sizes, 4))
    y, weights = frame["label"].to_numpy(), frame["weight"].to_numpy()
    by_arrays = make().fit(
        X, da.from_array(y, chunks=(sizes,)), da.from_array(weights, chunks=(sizes,))
    )
    assert_same(model, by_arrays)
    assert list(model.classes_) == ["ant", "bee", "cow"]

    labels = model.predict(lazy[COLUMNS])
    assert isinstance(labels, dd.Series)
    expected = model.to_local().predict(frame[COLUMNS])
    pd.testing.assert_series_equal(
        labels.compute(), pd.Series(expected, index=frame.index), check_dtype=False
    )
    probabilities = model.predict_proba(lazy[COLUMNS])
    assert list(probabilities.columns) == ["ant", "bee", "cow"]
    np.testing.assert_allclose(
        probabilities.compute(), model.to_local().predict_proba(frame[COLUMNS]), rtol=1e-13
    )
    assert model.score(lazy[COLUMNS], lazy["label"]) == np.mean(expected == y)


@pytest.mark.parametrize("dtype", ["category", "string[pyarrow]", object])
def test_labels_of_pandas(dtype):
    frame = make_frame()
    expected = make().fit(*_lazy(frame))
    model = make().fit(*_lazy(frame.astype({"label": dtype})))
    assert_same(model, expected)
    assert list(model.classes_) == ["ant", "bee", "cow"]


def _lazy(frame):
    lazy = dd.from_pandas(frame, npartitions=3)
    return lazy[COLUMNS], lazy["label"]


def test_sizes_of_chunks_that_nobody_knows():
    frame = make_frame()
    frame["code"] = frame["label"].map({"ant": 3, "bee": 5, "cow": 4})
    lazy = dd.from_pandas(frame, npartitions=4)
    X, y = lazy[COLUMNS].to_dask_array(), lazy["code"].to_dask_array()
    assert np.isnan(X.chunks[0]).all()
    model = make().fit(X, y)
    assert_same(model, make().fit(lazy[COLUMNS], lazy["code"]))
    labels = model.predict(X)
    assert np.isnan(labels.chunks[0]).all()
    assert labels.compute().shape == (48,)
    assert model.predict_proba(X).compute().shape == (48, 3)


def test_columns_in_several_chunks_and_other_rows_in_y():
    X, y = make_classes()
    model = make().fit(da.from_array(X, chunks=(20, 3)), da.from_array(y, chunks=15))
    expected = make().fit(da.from_array(X, chunks=(20, 4)), da.from_array(y, chunks=20))
    assert_same(model, expected)
    narrow = da.from_array(X, chunks=(20, 1))
    np.testing.assert_array_equal(model.predict(narrow), model.predict(X))
    column = make().fit(da.from_array(X, chunks=(20, 4)), da.from_array(y[:, None], chunks=(20, 1)))
    assert_same(column, expected)


def test_predictions_are_lazy_and_divided_as_x():
    X, y = make_regression(2)
    lazy = da.from_array(X, chunks=((0, 20, 28), 4))
    model = make(DaskBackpropRegressor).fit(lazy, da.from_array(y, chunks=((0, 20, 28), 2)))
    outputs = model.predict(lazy)
    assert outputs.chunks == ((0, 20, 28), (2,))
    assert outputs.dtype == np.float64 and outputs._meta.shape == (0, 0)
    np.testing.assert_allclose(outputs, model.predict(X), rtol=1e-13)
    one = make(DaskBackpropRegressor).fit(lazy, da.from_array(y[:, 0], chunks=((0, 20, 28),)))
    assert one.predict(lazy).chunks == ((0, 20, 28),)
    frame = dd.from_pandas(pd.DataFrame(X), npartitions=2)
    assert list(model.predict(frame).columns) == [0, 1]
    assert model.predict(frame).compute().shape == (48, 2)
    with pytest.raises(ValueError, match=r"shape \(48, 2\), but BackpropRegressor is expecting 4"):
        model.predict(lazy[:, :2])


def test_names_of_columns_are_checked():
    frame = make_frame()
    X, y = _lazy(frame)
    model = make().fit(X, y)
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(X[COLUMNS[::-1]])
    parts = [frame[COLUMNS], frame[COLUMNS[::-1]]]
    meta = frame[COLUMNS].iloc[:0]
    mixed = dd.from_map(lambda part: part, parts, meta=meta)
    labels = dd.from_map(lambda part: part, [frame["label"]] * 2, meta=frame["label"].iloc[:0])
    with pytest.raises(ValueError, match="Partitions 0 and 1 differ in their feature names"):
        make().fit(mixed, labels)


def test_probabilities_need_an_output_of_probabilities():
    X, y = make_classes()
    collections = da.from_array(X, chunks=(20, 4)), da.from_array(y, chunks=20)
    model = make(output_activation="identity", loss="squared_error").fit(*collections)
    assert not hasattr(model, "predict_proba")
    assert hasattr(make().fit(*collections), "predict_proba")


def replaced(array, row, value):
    array = array.copy()
    array[row] = value
    return array


X, Y = make_classes()
REFUSED = {
    "no collection": (lambda: (X.tolist(), Y), TypeError, "X must be a Dask array, .*, got list; "),
    "an array": (
        lambda: (X, lazy(Y)),
        TypeError,
        r"got a NumPy ndarray; .*: dask\.array\.from_array\(X, chunks=\.\.\.\)\.$",
    ),
    "a table": (
        lambda: (pd.DataFrame(X), lazy(Y)),
        TypeError,
        r"got a pandas DataFrame; .*: dask\.dataframe\.from_pandas\(X, npartitions=\.\.\.\)\.$",
    ),
    "a column": (
        lambda: (dd.from_pandas(pd.DataFrame(X), npartitions=2), pd.Series(Y)),
        TypeError,
        r"y must be .*, got a pandas Series; .*: dask\.dataframe\.from_pandas\(y, npartitions=",
    ),
    "y is no collection": (lambda: (lazy(X), Y), TypeError, "y must be a Dask array"),
    "X has one dimension": (lambda: (lazy(X[:, 0]), lazy(Y)), ValueError, "two dimensions"),
    "other partitions": (
        lambda: (lazy(X), dd.from_pandas(pd.Series(Y), npartitions=2)),
        ValueError,
        "X has 3 partitions and y has 2",
    ),
    "other rows": (
        lambda: (lazy(X), dd.from_pandas(pd.Series(Y), npartitions=3)),
        ValueError,
        "Partition .: X has [0-9]+ rows and y has 16",
    ),
    "nan": (lambda: (lazy(replaced(X, 45, np.nan)), lazy(Y)), ValueError, "Partition 2: .*NaN"),
    "numbers as classes": (
        lambda: (lazy(X), lazy(Y + 0.5)),
        ValueError,
        "Partition .: Unknown label type",
    ),
    "negative weight": (
        lambda: (lazy(X), lazy(Y), lazy(replaced(np.ones(48), 30, -1))),
        ValueError,
        "Partition 1: Negative values",
    ),
    "no weight at all": (
        lambda: (lazy(X), lazy(Y), lazy(np.zeros(48))),
        ValueError,
        "is zero for every",
    ),
    "no rows": (lambda: (lazy(X)[:0], lazy(Y)[:0]), ValueError, "partitions are empty"),
}


def lazy(array):
    return da.from_array(array, chunks=(20, *array.shape[1:]))


@pytest.mark.parametrize(("make_data", "kind", "words"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused(make_data, kind, words):
    model = make()
    with pytest.raises(kind, match=words):
        model.fit(*make_data())
    assert vars(model) == model.get_params()


def test_partitions_that_differ_in_their_kind_of_y():
    indicators = da.from_delayed(_block(np.eye(3, dtype=int)[Y[:20]]), (20, 3), int)
    labels = da.from_delayed(_block(Y[20:]), (28, 3), int)
    with pytest.raises(ValueError, match="Partitions 0 and 1 differ in their kind of y"):
        make().fit(da.from_array(X, chunks=((20, 28), 4)), da.concatenate([indicators, labels]))


def _block(array):
    import dask

    return dask.delayed(lambda: array)()


def test_targets_that_a_loss_does_not_allow():
    model = make(DaskBackpropRegressor, loss="poisson")
    with pytest.raises(ValueError, match="Partition 1: "):
        model.fit(lazy(X), lazy(replaced(np.ones(48), 30, -1)))


def test_collections_without_rows():
    """A Delayed has every attribute that it is asked for, and a Bag has partitions of no rows."""
    import dask

    y = lazy(np.ones(48))
    bag = pytest.importorskip("dask.bag").from_sequence(range(48), npartitions=2)
    for X, kind in ((dask.delayed(np.eye)(48), "Delayed"), (bag, "Bag")):
        with pytest.raises(TypeError, match=f"X must be a Dask array, DataFrame .*, got {kind};"):
            make(DaskBackpropRegressor).fit(X, y)


def test_what_is_exported_and_saved_is_the_estimator_without_dask(tmp_path):
    model = make(DaskBackpropRegressor).fit(lazy(X), lazy(np.ones(48)))
    for export in to_c, lambda model: save_model(model, tmp_path / "model"):
        with pytest.raises(TypeError, match=r"Pass what its to_local\(\) returns\."):
            export(model)
        export(model.to_local())


@pytest.mark.parametrize("package", ["dask", "distributed"])
def test_without_dask_one_sentence_says_what_to_install(package, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("fastbp.dask")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    message = rf'^fastbp.dask needs {package}: pip install "fastbp\[dask\]".$'
    with pytest.raises(ModuleNotFoundError, match=message):
        importlib.import_module("fastbp.dask")
