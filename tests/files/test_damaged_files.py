"""Files that nobody has written: every defect is a ModelFileError, or the model is a sound one."""

import functools
import io
import json
import os
import tempfile
import tracemalloc
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from problems import CUT_SHORT, assert_same_bits
from torture import shares, times

from fastbp import (
    BackpropClassifier,
    BackpropRegressor,
    ModelFileError,
    TabularClassifier,
    TabularRegressor,
    archives,
    load_model,
    save_model,
)

pytestmark = CUT_SHORT

X = np.random.default_rng(0).normal(size=(30, 2))
TABLE = np.column_stack([X.astype(object), np.array(["a", "b", None], object)[np.arange(30) % 3]])
TABLE[::7, 0] = None


def make_table_model(cls, y, **parameters):
    return cls(2, hidden_layer_sizes=(2,), max_iter=1, random_state=0, **parameters).fit(TABLE, y)


def make_models():
    classifier = BackpropClassifier((2,), random_state=0)
    with_front = BackpropRegressor((2,), front="periodic", n_periodic=1, max_iter=1, random_state=0)
    return {
        "classifier": classifier.partial_fit(X, np.arange(30) % 3, classes=[0, 1, 2]),
        "front": with_front.fit(X, X[:, 0]),
        "table of classes": make_table_model(
            TabularClassifier, np.array(["x", "y"])[np.arange(30) % 2], preset={"n_bins": 2}
        ),
        "table of numbers": make_table_model(
            TabularRegressor,
            X[:, 0],
            preset={"n_bins": 0, "front": "scale", "learning_rate_factors": {"scale": 6.0}},
        ),
    }


with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    MODELS = make_models()
TABLES = (TabularClassifier, TabularRegressor)


@functools.cache
def content_of(model):
    """The bytes of a sound file."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        path = Path(folder) / "model.npz"
        save_model(MODELS[model], path)
        return path.read_bytes()


@pytest.fixture(scope="module")
def content():
    return content_of("classifier")


# Where Linux keeps files in memory: to open one on a disk takes ten times as long as to read it.
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


@pytest.fixture
def load(monkeypatch):
    """Load a model from bytes. Members that are in many of the files are parsed once."""
    parse = functools.lru_cache(100)(archives._array)
    monkeypatch.setattr(archives, "_array", lambda name, content: parse(name, content).copy())
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        path = Path(folder) / "model.npz"

        def load_bytes(content):
            path.write_bytes(content)
            return load_model(path)

        yield load_bytes


def outcome(load, content):
    """The estimator, or the error that is allowed; any other exception is a failure."""
    try:
        return load(content)
    except ModelFileError as error:
        assert "model.npz" in str(error)
    except ValueError as error:
        # what the caller must give, the header says
        assert "were omitted when the model was saved" in str(error)
    return None


IN_ONE_TEST = 500
CASES = [
    (model, seed)
    for model in MODELS
    for seed in shares(
        times(4_000, 1_000_000) if model == "classifier" else times(500, 50_000), IN_ONE_TEST
    )
]


@pytest.mark.parametrize(
    ("model", "seed"),
    [pytest.param(*case, marks=[pytest.mark.grid] if case[1] else []) for case in CASES],
)
def test_flipped_and_missing_bytes(model, seed, load):
    """An error, or the identical model (where a byte has no meaning)."""
    rng, content = np.random.default_rng(seed), content_of(model)
    for _ in range(IN_ONE_TEST):
        changed = bytearray(content)
        kind = rng.integers(4)
        at = int(rng.integers(len(changed)))
        if kind == 0:
            changed[at] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            changed[at] = int(rng.integers(256))
        elif kind == 2:
            del changed[at:]
        else:
            del changed[at : at + int(rng.integers(1, 50))]
        estimator = outcome(load, bytes(changed))
        if estimator is not None:
            assert_same_model(estimator, MODELS[model])


def networks_of(model):
    return model.estimators_ if isinstance(model, TABLES) else [model]


def assert_same_model(one, other):
    assert type(one) is type(other)
    for a, b in zip(networks_of(one), networks_of(other), strict=True):
        assert_same_bits(a, b)
    if isinstance(one, TABLES):
        assert one.encoder_._as_record() == other.encoder_._as_record()
        np.testing.assert_array_equal(one.predict(TABLE), other.predict(TABLE))


def archive(header, arrays, **how):
    """The bytes of an archive with a right checksum, whatever is in it."""
    contents = {"header": archives._npy(np.array(header))}
    contents |= {
        name: one if isinstance(one, bytes) else archives._npy(one) for name, one in arrays.items()
    }
    contents["checksum"] = archives._npy(np.array(archives._digest(contents)))
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", **how) as file:
        for name, one in contents.items():
            file.writestr(f"{name}.npy", one)
    return stream.getvalue()


def parts_of(content):
    """Header and arrays of a sound file."""
    with np.load(io.BytesIO(content)) as arrays:
        members = {name: arrays[name] for name in arrays.files if name != "checksum"}
    return json.loads(str(members.pop("header"))), members


def npy_of(arrays):
    """Arrays as they are in a file: made once where many files hold them."""
    return {name: archives._npy(one) for name, one in arrays.items()}


@pytest.fixture(scope="module")
def parts(content):
    return parts_of(content)


VALUES = [None, True, -1, 0, 3, 2**80, 1.5, float("inf"), "x", [], {}, [1], {"tuple": [1]}]
VALUES += [
    {"float": "nan"},
    {"array": [1], "dtype": "O"},
    {"dict": [[[], 1]]},
    {"dict": 1},
    "é" * 9,
]


def places(value, path=()):
    """Paths to everything in a JSON value."""
    yield path
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, one in items:
        yield from places(one, (*path, key))


def changed_at(value, path, new):
    if not path:
        return new
    twin = value.copy()
    twin[path[0]] = changed_at(value[path[0]], path[1:], new)
    return twin


def assert_sound(estimator):
    """Every method works, whatever it says."""
    for network in networks_of(estimator):
        assert np.isfinite(network.network_.params).all()
    if not isinstance(estimator, TABLES):
        assert len(estimator.predict(X)) == len(X)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that TABLE lacks
        assert len(estimator.predict(TABLE)) == len(TABLE)
        if isinstance(estimator, TabularClassifier):
            assert estimator.predict_proba(TABLE).shape == (30, len(estimator.classes_))
            assert estimator.oob_decision_function_.shape[1] == len(estimator.classes_)
        else:
            estimator.predict(TABLE, return_std=True)
            assert estimator.predict_interval(TABLE).shape == (30, 2)
            assert estimator.oob_prediction_.ndim == 1
    assert estimator.feature_importances_.shape == (estimator.n_features_in_,)
    assert isinstance(estimator.oob_score_, float)


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_changed_headers(model, load):
    """Every value replaced by others of every type, or missing; the checksum is right.

    But for torture, a place of a network with a front gets a quarter of the values, in turn, and
    one of a table, most of which are read as those of a network are, a twelfth.
    """
    header, arrays = parts_of(content_of(model))
    arrays = npy_of(arrays)
    n_errors = n_tried = 0
    for i_place, path in enumerate(places(header)):
        if path[:2] == ("networks", 1):  # it is read as network 0 is
            continue
        n_turns = {"classifier": 1, "front": times(4, 1)}.get(model, times(12, 1))
        for new in VALUES[i_place % n_turns :: n_turns]:
            estimator = outcome(load, archive(json.dumps(changed_at(header, path, new)), arrays))
            n_tried += 1
            n_errors += estimator is None
            if estimator is not None:
                assert_sound(estimator)
    for key in header:
        less = {name: value for name, value in header.items() if name != key}
        if key not in ("fastbp", "feature_names"):  # a table's names are its encoder's
            assert outcome(load, archive(json.dumps(less), arrays)) is None
    assert n_errors > 0.7 * n_tried


ARRAYS = [
    np.zeros(0),
    np.zeros((0, 3)),
    np.full((2, 2), np.nan),
    np.zeros((2, 2), "f2"),
    np.zeros((2, 2), ">f8"),
    np.asfortranarray(np.zeros((2, 3))),
    np.zeros((2, 3), complex),
    np.array("text"),
    np.array(1.0),
    np.zeros(3, "S0"),
    np.zeros((1, 1, 1)),
    np.zeros(2, [("a", "f8")]),
    np.zeros(2, "M8[s]"),
    b"",
    b"\x93NUMPY\x01\x00",
    b"\x93NUMPY\x03\x00" + b"v" * 200,
]


# What training would not go on without, but predictions do.
OPTIONAL = ("best_params", "validation_loss_curve", "validation_scores")


@pytest.mark.parametrize(
    "model", ["classifier", *(pytest.param(m, marks=pytest.mark.slow) for m in [*MODELS][1:])]
)
def test_changed_arrays(model, load):
    header, arrays = parts_of(content_of(model))
    arrays = npy_of(arrays)
    text = json.dumps(header)
    for name in arrays:
        # those of network 1 are read as those of network 0 are
        for new in ARRAYS[:1] if name.startswith("network_1_") else ARRAYS:
            estimator = outcome(load, archive(text, {**arrays, name: new}))
            if estimator is not None:
                assert_sound(estimator)
        less = {other: value for other, value in arrays.items() if other != name}
        estimator = outcome(load, archive(text, less))
        assert (estimator is None) == (not name.endswith(OPTIONAL))
    assert outcome(load, archive(text, {**arrays, "more": np.zeros(1)})) is None


EXCHANGED_IN_ONE_TEST = times(60, 200)
EXCHANGES = shares(times(60, 10_000), EXCHANGED_IN_ONE_TEST)


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("seed", EXCHANGES)
def test_exchanged_parts(model, seed, load):
    """Values, and arrays, in the places of others: their types are often right."""
    rng = np.random.default_rng(seed)
    header, arrays = parts_of(content_of(model))
    arrays = npy_of(arrays)
    paths, names = [path for path in places(header) if path], sorted(arrays)
    n_errors = 0
    for _ in range(EXCHANGED_IN_ONE_TEST):
        changed, others = header, dict(arrays)
        for _ in range(rng.integers(1, 4)):
            if rng.random() < 0.7:
                path, source = (paths[i] for i in rng.integers(len(paths), size=2))
                changed = put(changed, path, value_at(header, source))
            else:
                name, source = rng.choice(names, size=2)
                others[name] = arrays[source]
        estimator = outcome(load, archive(json.dumps(changed), others))
        n_errors += estimator is None
        if estimator is not None:
            assert_sound(estimator)
    assert 0 < n_errors < EXCHANGED_IN_ONE_TEST


def value_at(value, path):
    for key in path:
        value = value[key]
    return value


def put(value, path, new):
    """changed_at, or the value itself where an earlier change has removed the place."""
    try:
        return changed_at(value, path, new)
    except (AttributeError, IndexError, KeyError, TypeError):
        return value


def npy_header(shape, dtype="<f8"):
    """A header of an .npy array, without the array."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        stream, {"descr": dtype, "fortran_order": False, "shape": shape}
    )
    return stream.getvalue()


def peak_of_load(load, content):
    """The estimator or None, and the memory that loading took, in lengths of the file."""
    tracemalloc.start()
    try:
        estimator = outcome(load, content)
        return estimator, tracemalloc.get_traced_memory()[1] / len(content)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("shape", [(10**12,), (10**6, 10**6), (2**62, 4), (-1, -8), (0, 10**15)])
@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("classifier", "coefs_0"),
        ("front", "front_weights"),
        ("table of numbers", "network_1_coefs_0"),
        ("table of numbers", "errors"),
    ],
)
def test_an_array_that_claims_to_be_large(model, name, shape, load):
    header, arrays = parts_of(content_of(model))
    content = archive(json.dumps(header), {**arrays, name: npy_header(shape) + bytes(64)})
    estimator, peak = peak_of_load(load, content)
    assert estimator is None and peak < 50


# Columns of a table that need much memory for few bytes of the file.
NO_LEVELS = {"kind": "levels", "levels": [], "has_missing": False, "has_others": False}
MANY_LEVELS = {**NO_LEVELS, "levels": list(range(5_000))}
MANY_BINS = {
    "kind": "numbers",
    "center": 0,
    "scale": 1,
    "has_missing": False,
    "edges": list(range(5_000)),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "columns", [[NO_LEVELS] * 1_500, [MANY_LEVELS], [MANY_BINS], [MANY_BINS, MANY_LEVELS] * 3]
)
def test_an_encoder_that_claims_to_be_large(columns, load):
    header, arrays = parts_of(content_of("table of classes"))
    text = json.dumps({**header, "encoder": {**header["encoder"], "columns": columns}})
    estimator, peak = peak_of_load(load, archive(text, arrays))
    assert estimator is None and peak < 10


HUGE_NETWORKS = {
    "n_features": lambda header: header.update(n_features=2**40),
    "n_periodic": lambda header: header["network"].update(front="periodic", n_periodic=2**40),
    "both": lambda header: (
        header.update(n_features=2**40),
        header["network"].update(front="periodic", n_periodic=2**40),
    ),
    "feature_names": lambda header: header.update(n_features=2**40, feature_names=["a"]),
}


@pytest.mark.parametrize("setting", HUGE_NETWORKS)
@pytest.mark.parametrize("model", ["front", "table of numbers"])
def test_a_header_that_claims_a_large_network(model, setting, load):
    header, arrays = parts_of(content_of(model))
    HUGE_NETWORKS[setting](header["networks"][1] if "networks" in header else header)
    estimator, peak = peak_of_load(load, archive(json.dumps(header), arrays))
    assert estimator is None and peak < 50


def test_compressed_members_are_refused(parts, load):
    header, arrays = parts
    bomb = {**arrays, "coefs_0": np.zeros((1000, 1000))}
    content = archive(json.dumps(header), bomb, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(ModelFileError, match="compressed"):
        load(content)


def test_pickles_are_refused(parts, load):
    header, arrays = parts
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.array([print], dtype=object), allow_pickle=True)
    for name in "coefs_0", "classes":
        with pytest.raises(ModelFileError, match="dtype object"):
            load(archive(json.dumps(header), {**arrays, name: stream.getvalue()}))


@pytest.mark.parametrize(
    "text", ["", "[]", "1", "{", '{"format": 1}', "[" * 100_000, '{"format":' + "9" * 10_000 + "}"]
)
def test_headers_that_are_none(text, parts, load):
    assert outcome(load, archive(text, parts[1])) is None


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("key", ["class", "parameters", "network", "encoder", "networks"])
@pytest.mark.parametrize("depth", [100, 400, 900])
def test_headers_nested_deep(model, key, depth, load):
    """Python's stack ends at 1000 calls."""
    header, arrays = parts_of(content_of(model))
    nested = json.dumps({**header, key: "value"}).replace('"value"', "[" * depth + "]" * depth)
    with pytest.raises(ModelFileError, match="50 levels deep"):
        load(archive(nested, arrays))


def test_a_later_format_says_so(parts, load):
    header, arrays = parts
    with pytest.raises(ModelFileError, match="format 2, of fastbp 9.0; .* reads format 1"):
        load(archive(json.dumps({**header, "format": 2, "fastbp": "9.0"}), arrays))


def test_other_files(load):
    for content in b"", b"PK", b"x" * 1000, bytes(1000):
        with pytest.raises(ModelFileError, match="no file of fastbp"):
            load(content)
    stream = io.BytesIO()
    np.savez(stream, a=np.zeros(3))
    with pytest.raises(ModelFileError, match="no member 'header'"):
        load(stream.getvalue())
