"""to_c of tabular estimators: columns as numbers and codes, the networks' mean."""

import functools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from c_programs import COMPILERS, MOST_UNITS, STRICT, Library, compile_c, rounding_units, ulps
from problems import CUT_SHORT
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastbp import TabularClassifier, TabularRegressor, to_c

pytestmark = CUT_SHORT

SMALL = dict(n_estimators=2, max_iter=2, hidden_layer_sizes=(6, 5), random_state=0, n_threads=1)
LARGE = dict(SMALL, n_estimators=3)
PRESETS = dict(front="scale", n_bins=3, activation="mish")

# name: class, its parameters, targets of a number in (0, 1) for each row
CASES = {
    "numbers": (TabularRegressor, LARGE, lambda t: 100 * t),
    "two columns": (TabularRegressor, SMALL, lambda t: np.column_stack([t, 5 - t])),
    "one network": (TabularRegressor, dict(SMALL, n_estimators=1), lambda t: t),
    "poisson": (TabularRegressor, dict(SMALL, loss="poisson"), lambda t: np.floor(9 * t)),
    "quantiles": (
        TabularRegressor,
        dict(SMALL, loss="quantile", quantile=[0.1, 0.5, 0.9]),
        lambda t: t,
    ),
    "gaussian": (TabularRegressor, dict(SMALL, loss="gaussian", preset=PRESETS), lambda t: 9 * t),
    "not clipped": (
        TabularRegressor,
        dict(SMALL, preset=dict(clips=False, front=None, scales_target=False)),
        lambda t: t,
    ),
    "two classes": (TabularClassifier, LARGE, lambda t: t > 0.5),
    "three classes": (
        TabularClassifier,
        SMALL,
        lambda t: np.array(["a", "b", "c"])[(t * 3).astype(int)],
    ),
    "one network of classes": (
        TabularClassifier,
        dict(SMALL, n_estimators=1, preset=PRESETS),
        lambda t: (t * 4).astype(int) * 10,
    ),
}


def make_table(seed=0, n=120):
    rng = np.random.default_rng(seed)
    share = rng.random(n)
    table = pd.DataFrame(
        {
            "area": rng.uniform(25, 140, n),
            "town": rng.choice(["Ashford", "Brook", "Calder", None], n),
            "year": np.where(rng.random(n) < 0.2, np.nan, rng.integers(1900, 2025, n)),
            "new": rng.random(n) < 0.5,
            "one": 1.0,
            "street": pd.Categorical(rng.choice([f"{k}. Street" for k in range(90)], n)),
            "side": rng.choice(["left", "right" * 1000], n),  # longer than a literal in C99 may be
        }
    )
    return table, share


def as_numbers(estimator, table):
    """The rows of a table as the C takes them."""
    rows = np.empty(table.shape)
    for j, column in enumerate(estimator.encoder_._columns):
        values = table.iloc[:, j]
        if hasattr(column, "levels"):
            codes = {level: code for code, level in enumerate(column.levels)}
            values = [np.nan if pd.isna(one) else codes.get(one, -1) for one in values.tolist()]
        rows[:, j] = values
    return rows


@functools.cache
def fitted(name):
    cls, parameters, targets = CASES[name]
    table, share = make_table()
    return cls(**parameters).fit(table, targets(share))


def new_rows():
    """Rows with levels, and missing values, that were not there in training."""
    table, _ = make_table(1, 40)
    table["street"] = table["street"].astype(object)
    table.loc[:5, ["street", "side"]] = "new"
    table.loc[6:9, ["area", "side", "street"]] = None
    table.loc[10:12, "area"] = [1e300, -1e300, 0]
    return table


def units_of(model, table):
    """The units of rounding_units for the mean of the networks."""
    encoded = model.encoder_.transform(table)
    units = np.mean([rounding_units(member, encoded) for member in model.estimators_], axis=0)
    if isinstance(model, TabularRegressor):
        units = units * model._target_scale.scale
        return units + ulps(np.abs(model.predict(table)).max(), np.float64)
    # divided by their sum
    return 2 * units + ulps(np.ones(1), np.float64)


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    texts = [to_c(fitted(name), name=name.replace(" ", "_")) for name in CASES]
    texts += [to_c(fitted("numbers"), name="in_float", dtype="float32")]
    return Library("\n".join(texts), tmp_path_factory.mktemp("tables"))


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_values(name, library):
    model, table, function = fitted(name), new_rows(), name.replace(" ", "_")
    rows = as_numbers(model, table)
    if isinstance(model, TabularClassifier):
        expected = model.predict_proba(table)
        (places,) = library.call(f"{function}_label", rows, restype=int)
        np.testing.assert_array_equal(model.classes_[places], model.predict(table))
    else:
        expected, std = (
            one.reshape(len(table), -1) for one in model.predict(table, return_std=True)
        )
        shape = (expected.shape[1], np.float64)
        again, spread = library.call(f"{function}_predict_std", rows, shape, shape)
        np.testing.assert_array_equal(again, library.values(function, rows, expected.shape[1]))
        np.testing.assert_allclose(spread, std, atol=1e-5 * np.abs(expected).max())
    values = library.values(function, rows, expected.shape[1])
    assert (np.abs(values - expected) <= MOST_UNITS * units_of(model, table)).all()


@pytest.mark.slow
def test_values_in_float(library):
    model, table = fitted("numbers"), make_table(1)[0]
    values = library.values("in_float", as_numbers(model, table).astype(np.float32), 1)
    np.testing.assert_allclose(values[:, 0], model.predict(table), rtol=1e-5)


@pytest.mark.slow
def test_codes_of_levels(library):
    code = library.functions.numbers_code
    encoder = fitted("numbers").encoder_
    for feature, column in enumerate(encoder._columns):
        levels = getattr(column, "levels", ())
        for place, level in enumerate(levels):
            assert code(feature, str(level).encode()) == place
        for text in ("", "Ash", "Ashfords", "unknown"):
            assert code(feature, text.encode()) == -1
    assert code(99, b"Ashford") == -1


@pytest.mark.slow
@pytest.mark.parametrize("compiler", COMPILERS)
def test_compilers_have_nothing_to_say(compiler, tmp_path):
    texts = [to_c(fitted(name), name=name.replace(" ", "_")) for name in CASES]
    texts += [
        to_c(fitted(name), name=f"{name}_in_float", dtype="float32")
        for name in ("numbers", "gaussian")
    ]
    compile_c("\n".join(texts), tmp_path / "tables.o", *STRICT, "-c", compiler=compiler)


def test_the_header_has_the_codes(tmp_path: Path):
    header = to_c(fitted("two classes")).partition(" */\n")[0]
    for line in (
        " * void model_predict(const double *x, double *out);",
        ' *          x[0]  "area": a finite number, not scaled; NaN: missing, which it never was',
        ' *          x[1]  "town": the code of a level; -1: another one; NaN: missing\n'
        ' *               0 "Ashford", 1 "Brook", 2 "Calder"\n',
        ' *          out[1]  "True"',
        " * int model_code(int feature, const char *text);",
        " * 3 networks of ",
    ):
        assert line in header


def test_a_scaler_before_it_is_refused():
    model = fitted("two classes")
    scaler = StandardScaler().fit(np.zeros((2, 7)))
    with pytest.raises(TypeError, match="TabularClassifier after the step .*, StandardScaler"):
        to_c(make_pipeline(scaler, model))
