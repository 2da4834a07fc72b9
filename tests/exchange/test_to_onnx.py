"""to_onnx: what a model looks like, what it is written to, and what is refused."""

import sys

import numpy as np
import pytest
from exported import FACTORS, TASKS, error_of, make_estimator
from internals import ACTIVATIONS, DTYPES, OUTPUTS, extras, functions, onnx_model
from onnx_sessions import onnx, results_of
from problems import CUT_SHORT, ESTIMATORS, make_named_task, make_regression, tiny
from separate import run
from sklearn.compose import TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.ensemble import BaggingRegressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

import fastbp
from fastbp import BackpropClassifier, BackpropRegressor, TabularRegressor, to_c, to_onnx

pytestmark = CUT_SHORT

PLAIN = dict(front=None, fit_intercept=True, sizes=(6,))


def fitted(cls, **params):
    X, y = make_named_task(cls)
    return tiny(cls, **params).initialize(X, y), X


def layout(values):
    """Name, type and sizes of each input or output; None: any number of rows."""
    return {
        value.name: (
            value.type.tensor_type.elem_type,
            [size.dim_value or None for size in value.type.tensor_type.shape.dim],
        )
        for value in values
    }


@ESTIMATORS
def test_versions_that_current_and_older_runtimes_load(cls):
    model = to_onnx(fitted(cls)[0])
    assert [(one.domain, one.version) for one in model.opset_import] == [("", 17)]
    assert (model.ir_version, model.producer_name) == (8, "fastbp")
    assert model.producer_version == fastbp.__version__
    assert {one.key: one.value for one in model.metadata_props} == {"class": cls.__name__}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("labels", [[0, 1], [0, 1, 2], ["a", "b"], ["a", "b", "c"]], ids=str)
def test_labels_and_probabilities_as_skl2onnx_lays_them_out(labels, dtype):
    skl2onnx = pytest.importorskip("skl2onnx")
    X, y = np.eye(6, 4, dtype=dtype), np.array(labels)[np.arange(6) % len(labels)]
    options = {"zipmap": False}
    theirs = skl2onnx.to_onnx(MLPClassifier((3,), max_iter=1).fit(X, y), X[:1], options=options)
    ours = to_onnx(BackpropClassifier((3,)).initialize(X, y))
    assert layout(ours.graph.input) == layout(theirs.graph.input)
    assert layout(ours.graph.output) == layout(theirs.graph.output)


@pytest.mark.parametrize("dtype", DTYPES)
def test_numbers_as_skl2onnx_lays_them_out(dtype):
    skl2onnx = pytest.importorskip("skl2onnx")
    X = np.eye(6, 4, dtype=dtype)
    theirs = skl2onnx.to_onnx(MLPRegressor(max_iter=1).fit(X, X[:, 0]), X[:1])
    ours = to_onnx(BackpropRegressor().initialize(X, X[:, 0]))
    assert layout(ours.graph.input) == layout(theirs.graph.input)
    assert layout(ours.graph.output) == layout(theirs.graph.output)


@pytest.mark.parametrize("n_rows", [0, 1, 2, 1000])
@pytest.mark.parametrize("front", [None, "periodic"])
def test_any_number_of_rows(n_rows, front):
    case = dict(PLAIN, activation="mish", dtype="float64", front=front)
    for task in ("three classes", "one output, gaussian", "three quantiles"):
        estimator, X = make_estimator({**case, "task": task})
        rows = np.resize(X, (n_rows, X.shape[1]))
        results = results_of(to_onnx(estimator), rows)
        assert {len(values) for values in results.values()} == {n_rows}
        if n_rows and task == "three classes":
            assert error_of(results["probabilities"], estimator.predict_proba(rows)) < 1e-14


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", list(functions.ACTIVATIONS))
def test_huge_inputs(activation, dtype):
    """Nothing overflows on the way that does not in predict."""
    for task in ("two classes", "three classes", "three classes, logistic", "three quantiles"):
        case = dict(PLAIN, sizes=(4,), activation=activation, task=task, dtype=dtype)
        estimator, X = make_estimator(case)
        X = (X * 1e5).astype(dtype)
        results = results_of(to_onnx(estimator), X)
        if isinstance(estimator, BackpropRegressor):
            expected, actual = estimator.predict(X), results["variable"]
        else:
            expected, actual = estimator.predict_proba(X), results["probabilities"]
        assert np.isfinite(expected).all()
        # pre-activations of 1e5 have errors of 1e5 roundings
        bound = {"float32": 1e-1, "float64": 1e-9}[dtype]
        assert error_of(actual, expected) < bound, task


@ESTIMATORS
def test_the_file_is_the_model(cls, tmp_path):
    estimator, X = fitted(cls)
    path = tmp_path / "model.onnx"
    model = to_onnx(estimator, path)
    assert path.read_bytes() == model.SerializeToString()
    assert to_onnx(estimator).SerializeToString() == path.read_bytes()
    assert list(results_of(onnx.load(path), X)) == [one.name for one in model.graph.output]
    assert [one.name for one in tmp_path.iterdir()] == ["model.onnx"]


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"old")
    estimator = fitted(BackpropRegressor)[0]

    def fail(*args):
        raise OSError("No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="No space"):
        to_onnx(estimator, path)
    assert path.read_bytes() == b"old"
    assert [one.name for one in tmp_path.iterdir()] == ["model.onnx"]
    with pytest.raises(FileNotFoundError):
        to_onnx(estimator, tmp_path / "nowhere" / "model.onnx")


def test_the_model_does_not_follow_the_estimator():
    estimator, X = fitted(BackpropRegressor)
    model = to_onnx(estimator)
    before = estimator.predict(X)
    estimator.network_.params *= 2
    assert error_of(results_of(model, X)["variable"], before) < 1e-14


def test_names_of_features_are_in_the_metadata():
    import pandas as pd

    X, y = make_regression()
    frame = pd.DataFrame(X, columns=["a", "b", "c", "é"])
    model = to_onnx(tiny(BackpropRegressor).initialize(frame, y))
    metadata = {one.key: one.value for one in model.metadata_props}
    assert metadata["feature_names"] == '["a", "b", "c", "\\u00e9"]'


@pytest.mark.parametrize(
    "labels",
    [
        np.array([2**63, 2**63 + 1], dtype=np.uint64),
        np.array([0.0, 1e19]),
        np.array([2**70, 1], dtype=object),
    ],
    ids=str,
)
def test_labels_that_onnx_does_not_have(labels, tmp_path):
    X = np.eye(4)
    estimator = BackpropClassifier((2,)).initialize(X, np.arange(4) % 2)
    estimator._classes = type(estimator._classes)(np.sort(labels))
    with pytest.raises(ValueError, match="strings and of 64-bit integers"):
        to_onnx(estimator, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_what_is_refused():
    with pytest.raises(NotFittedError):
        to_onnx(BackpropClassifier())
    with pytest.raises(TypeError, match="and not MLPClassifier. For scikit-learn's"):
        to_onnx(MLPClassifier())


def test_a_model_that_is_too_large(monkeypatch):
    monkeypatch.setattr(onnx_model, "MOST_BYTES", 100)
    with pytest.raises(ValueError, match="a file of ONNX holds 100"):
        to_onnx(fitted(BackpropRegressor)[0])


def test_without_the_package_onnx(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ModuleNotFoundError, match=r'needs onnx: pip install "fastbp\[onnx\]"'):
        to_onnx(fitted(BackpropRegressor)[0])


@pytest.mark.parametrize(
    ("wrap", "words"),
    [
        (lambda net: GridSearchCV(net, {}), "not GridSearchCV. Fit it with refit=True and pass"),
        (lambda net: TransformedTargetRegressor(net), "Pass its regressor_; what .* transformer_"),
        (lambda net: BaggingRegressor(net), "not BaggingRegressor. For .* skl2onnx.to_onnx"),
        (lambda net: BackpropRegressor, "not type. Pass a fitted instance of the class.$"),
        (
            lambda net: make_pipeline(net, LinearRegression()),
            "'backpropregressor', .* hidden layer",
        ),
        (lambda net: make_pipeline(make_pipeline(PCA(1)), net), "'pipeline__pca' .* skl2onnx.to_"),
        (
            lambda net: Pipeline([("a", None), ("b", PCA()), ("c", net)]),
            "'b' of the pipeline, PCA. .*skl2onnx.* Leave out 'a' for it, which does nothing.$",
        ),
        (
            lambda net: make_pipeline(StandardScaler(), TabularRegressor()),
            "^TabularRegressor after the step 'standardscaler' .* takes raw columns",
        ),
    ],
    ids="search target ensemble class network nested idle table".split(),
)
def test_what_to_pass_instead(wrap, words):
    with pytest.raises(TypeError, match=words):
        to_onnx(wrap(fitted(BackpropRegressor)[0]))


@ESTIMATORS
def test_a_pipeline_of_a_single_step_that_does_anything(cls):
    net, _ = fitted(cls)
    pipeline = Pipeline([("none", "passthrough"), ("inner", make_pipeline(None, net))])
    assert to_onnx(pipeline) == to_onnx(net)


@pytest.mark.parametrize("package", ["onnx", "skl2onnx"])
def test_converters_without_their_packages(package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, "fastbp.onnx", raising=False)
    message = rf'fastbp.onnx needs {package}: pip install "fastbp\[onnx\]"'
    with pytest.raises(ModuleNotFoundError, match=message):
        import fastbp.onnx  # noqa: F401


def test_a_module_that_is_missing_for_another_reason(monkeypatch):
    def fail(module):
        raise ModuleNotFoundError("No module named 'google'", name="google")

    monkeypatch.setattr(extras, "import_module", fail)
    with pytest.raises(ModuleNotFoundError, match="google"):
        extras.import_extra("onnx", "onnx", "to_onnx")


@pytest.mark.slow
def test_fastbp_alone_imports_nothing_of_it():
    facts = run(
        """
        import sys, fastbp
        before = set(sys.modules)
        fastbp.to_onnx
        names = ["onnx", "skl2onnx", "fastbp.exchange"]
        print(json.dumps({
            "before": [name for name in names if name in before],
            "after": [name for name in names if name in sys.modules],
            "is listed": "to_onnx" in dir(fastbp),
        }))
        """,
        fresh=True,
    )
    assert facts == {"before": [], "after": ["fastbp.exchange"], "is listed": True}


def test_no_such_name():
    with pytest.raises(AttributeError, match="has no attribute 'to_onxn'"):
        fastbp.to_onxn  # noqa: B018


def test_what_is_exported_is_there():
    assert set(functions.ACTIVATIONS) <= set(ACTIVATIONS) and len(functions.ACTIVATIONS) >= 11
    assert set(functions.OUTPUTS) <= set(OUTPUTS) and len(functions.OUTPUTS) >= 5
    assert len(FACTORS["activation"]) * len(TASKS) * len(DTYPES) >= 300


@pytest.mark.parametrize("export", [to_onnx, to_c])
def test_functions_that_are_not_exported_are_refused(export, monkeypatch):
    """As one would be that is added to the kernels alone."""
    estimator, _ = make_estimator(
        dict(PLAIN, activation="mish", task="one output, poisson", dtype="float64")
    )
    with monkeypatch.context() as without:
        without.delitem(functions.ACTIVATIONS, "mish")
        with pytest.raises(ValueError, match="activation='mish' cannot be exported; .* logistic"):
            export(estimator)
    monkeypatch.setattr(functions, "OUTPUTS", ("identity",))
    with pytest.raises(ValueError, match="output_activation='exp' cannot .* can are identity"):
        export(estimator)


def test_the_tail_of_the_normal_distribution_is_that_of_the_kernels():
    """A Chebyshev interpolant to 2e-15, by another way than the one in vmath.h."""
    from scipy.special import log_ndtr

    z = np.linspace(0, 30, 2001)
    scale = functions.TAIL_SCALE
    t = scale / (scale + z)
    p = np.polynomial.polynomial.polyval(2 * t - 1, functions.tail_coefficients())
    expected = np.exp(log_ndtr(-z) + z**2 / 2)
    np.testing.assert_allclose(t * p, expected, rtol=1e-12)
