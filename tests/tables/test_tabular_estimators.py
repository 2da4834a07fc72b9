"""TabularClassifier and TabularRegressor: raw tables in, predictions out, nothing to prepare."""

import pickle
import sys

import numpy as np
import pandas as pd
import pytest
from internals import Preset
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from fastbp import BackpropClassifier, BackpropRegressor, TabularClassifier, TabularRegressor

QUICK = {"hidden_layer_sizes": (16,), "max_iter": 6, "random_state": 0}
EACH = pytest.mark.parametrize("cls", [TabularClassifier, TabularRegressor])


def raw_table(n_samples=240, seed=0):
    """Numbers of wild scales, text, categories, booleans, and values missing in most."""
    rng = np.random.default_rng(seed)
    size = rng.lognormal(8, 1, n_samples)
    city = rng.choice(["Rome", "Oslo", "Lima"], n_samples).astype(object)
    grade = pd.Categorical(rng.choice(["low", "high"], n_samples))
    new = rng.random(n_samples) < 0.5
    age = rng.integers(1, 90, n_samples).astype(float)
    y = np.log(size) + (city == "Oslo") - 2 * (np.asarray(grade) == "low") + new
    y = y + 0.1 * rng.standard_normal(n_samples)
    age[::7], city[3::11] = np.nan, None
    return pd.DataFrame({"size": size, "city": city, "grade": grade, "new": new, "age": age}), y


def problem(cls, **how):
    X, y = raw_table(**how)
    return X, 1e4 + 300 * y if cls is TabularRegressor else np.where(y > 8, "dear", "cheap")


@EACH
def test_a_raw_table_is_learned(cls):
    X, y = problem(cls, n_samples=600)
    model = cls(random_state=0, max_iter=32).fit(X[:450], y[:450])
    assert model.score(X[450:], y[450:]) > 0.85
    assert abs(model.oob_score_ - model.score(X[450:], y[450:])) < 0.1
    assert list(model.feature_names_in_) == list(X.columns) and model.n_features_in_ == 5
    kind = BackpropRegressor if cls is TabularRegressor else BackpropClassifier
    assert len(model.estimators_) == 5 and all(isinstance(one, kind) for one in model.estimators_)
    assert model.n_iter_ == 32
    assert [len(curve) for curve in model.loss_curves_] == [32] * 5
    assert [len(curve) for curve in model.validation_loss_curves_] == [32] * 5


@EACH
def test_levels_that_were_never_seen(cls):
    X, y = problem(cls)
    model = cls(**QUICK).fit(X, y)
    new = X[:3].copy()
    new["city"] = ["Nuuk", None, "Rome"]
    assert len(model.predict(new)) == 3


@EACH
def test_messages_about_columns_have_the_name_of_the_estimator(cls):
    X, y = problem(cls)
    named, unnamed = cls(**QUICK).fit(X, y), cls(**QUICK).fit(X.to_numpy(), y)
    name = cls.__name__
    with pytest.warns(UserWarning, match=f"not have valid feature names, but {name} was fitted"):
        named.predict(X.to_numpy())
    with pytest.warns(UserWarning, match=f"X has feature names, but {name} was fitted without"):
        unnamed.predict(X)
    with pytest.raises(ValueError, match=f"X has 4 features, but {name} is expecting 5 features"):
        unnamed.predict(X.to_numpy()[:, :4])
    with pytest.warns(UserWarning, match=f"feature names, but {name} was fitted with feature"):
        cls(**QUICK).fit(X, y, X_val=X.to_numpy(), y_val=y)


@EACH
def test_columns_that_have_changed(cls):
    X, y = problem(cls)
    model = cls(**QUICK).fit(X, y)
    numbers = X.assign(city=np.arange(len(X)))
    words = "In column 'city' there was text in fit, for example 'Lima' and 'Oslo', and now there"
    with pytest.raises(ValueError, match=f"^{words} are numbers, for example 0 and 1"):
        model.predict(numbers)
    with pytest.raises(ValueError, match=f"^X_val and y_val cannot be used. {words}"):
        model.fit(X, y, X_val=numbers, y_val=y)
    blanks = X.assign(city=X.city + " ")
    calls = [model.predict, lambda other: cls(**QUICK).fit(X, y, X_val=other, y_val=y)]
    if cls is TabularRegressor:
        calls += [model.predict_interval, lambda other: model.predict(other, return_std=True)]
    for call in calls:
        with pytest.warns(UserWarning) as caught:
            call(blanks)
        messages = [str(one.message) for one in caught]
        assert len(messages) == 1 and messages[0].startswith("No value in column 'city' was there")


@pytest.mark.slow
@EACH
def test_search_pipeline_cross_validation_pickle_and_clone(cls):
    X, y = problem(cls)
    model = cls(**QUICK)
    search = GridSearchCV(model, {"hidden_layer_sizes": [(4,), (8,)]}, cv=2).fit(X, y)
    assert len(search.predict(X)) == len(X)
    pipeline = make_pipeline(FunctionTransformer(), clone(model)).fit(X, y)
    np.testing.assert_array_equal(pipeline.predict(X), model.fit(X, y).predict(X))
    assert len(cross_val_predict(model, X, y, cv=3)) == len(X)
    assert np.isfinite(cross_val_score(model, X, y, cv=3)).all()
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    assert not hasattr(clone(model), "estimators_")


@EACH
@pytest.mark.parametrize("n_threads", [1, 2, 7, None])
def test_threads_change_no_bit(cls, n_threads):
    X, y = problem(cls)
    one = cls(**QUICK).fit(X, y)
    other = cls(**QUICK, n_threads=n_threads).fit(X, y)
    np.testing.assert_array_equal(one.predict(X), other.predict(X))
    assert all(member.n_threads == n_threads for member in other.estimators_)


@EACH
def test_random_states(cls):
    X, y = problem(cls)
    same = [cls(**{**QUICK, "random_state": 3}).fit(X, y).oob_score_ for _ in range(2)]
    assert same[0] == same[1]
    first, other = (
        cls(**{**QUICK, "random_state": seed}).fit(X, y).loss_curves_ for seed in (3, 4)
    )
    assert first != other


@EACH
def test_members_stay_when_others_are_added(cls):
    X, y = problem(cls)
    few, many = (cls(n, **QUICK).fit(X, y) for n in (2, 7))
    for a, b in zip(few.estimators_, many.estimators_, strict=False):
        np.testing.assert_array_equal(a.network_.params, b.network_.params)


@EACH
def test_numbers_of_networks_and_out_of_bag_rows(cls):
    X, y = problem(cls)
    for n_estimators, share in [(1, 0.2), (3, 0.6), (5, 1.0), (6, 1.0)]:
        model = cls(n_estimators, **QUICK).fit(X, y)
        estimates = getattr(model, _oob_name(cls)).reshape(len(X), -1)
        assert np.mean(np.isfinite(estimates[:, 0])) == share
        assert model.oob_score_ <= 1


@EACH
def test_out_of_bag_predictions_are_of_members_that_did_not_see_a_row(cls):
    X, y = problem(cls)
    model = cls(7, **QUICK).fit(X, y)
    estimates = getattr(model, _oob_name(cls)).reshape(len(X), -1)
    encoded = model.encoder_.transform(X)
    each = [model._predictions_of(member, encoded) for member in model.estimators_]
    # the first fold of five has its own member, and perhaps one of two more
    for i in range(0, len(X), 17):
        means = [np.mean([each[k][i] for k in ks], axis=0) for ks in _sets(7)]
        assert any(np.allclose(estimates[i], mean, rtol=1e-5) for mean in means)


def _sets(n_members):
    """Members that a row may be held out by: one of the first five, perhaps one of the others."""
    for k in range(5):
        yield (k,)
        for more in range(5, n_members):
            yield (k, more)


def _oob_name(cls):
    return "oob_prediction_" if cls is TabularRegressor else "oob_decision_function_"


@EACH
def test_validation_rows_are_encoded_as_the_others(cls):
    X, y = problem(cls)
    a, b = slice(0, 180), slice(180, None)
    model = cls(2, **QUICK).fit(X[a], y[a], X_val=X[b], y_val=y[b], sample_weight_val=np.ones(60))
    assert not hasattr(model, "oob_score_") and not hasattr(model, _oob_name(cls))
    kept = [min(curve) for curve in model.validation_loss_curves_]
    for member, loss in zip(model.estimators_, kept, strict=True):
        assert -member.best_validation_score_ == loss
    # a fit without them has estimates again
    assert hasattr(model.fit(X, y), "oob_score_")
    assert not hasattr(model.fit(X[a], y[a], X_val=X[b], y_val=y[b]), "oob_score_")


@EACH
def test_half_of_the_validation_data(cls):
    X, y = problem(cls)
    with pytest.raises(ValueError, match="X_val was given without y_val"):
        cls(**QUICK).fit(X, y, X_val=X)
    with pytest.raises(ValueError, match="y_val was given without X_val"):
        cls(**QUICK).fit(X, y, y_val=y)
    with pytest.raises(ValueError, match="sample_weight_val was given without"):
        cls(**QUICK).fit(X, y, sample_weight_val=np.ones(len(X)))


@EACH
def test_rows_without_weight_are_left_out(cls):
    X, y = problem(cls)
    weights = np.random.default_rng(1).uniform(0.5, 2, len(X))
    weights[::3] = 0
    kept = weights > 0
    weighted = cls(**QUICK).fit(X, y, weights)
    alone = cls(**QUICK).fit(X[kept], y[kept], weights[kept])
    np.testing.assert_array_equal(weighted.predict(X), alone.predict(X))
    assert weighted.oob_score_ == alone.oob_score_


@EACH
def test_weights_matter(cls):
    X, y = problem(cls)
    weights = np.random.default_rng(1).uniform(0.1, 10, len(X))
    plain, weighted = cls(**QUICK).fit(X, y), cls(**QUICK).fit(X, y, weights)
    assert plain.loss_curves_ != weighted.loss_curves_


@EACH
def test_a_fit_that_fails_leaves_the_estimator_as_it_was(cls):
    X, y = problem(cls)
    model = cls(**QUICK).fit(X, y)
    before = model.predict(X)
    bad = X.assign(when=pd.date_range("2020", periods=len(X)))
    with pytest.raises(ValueError, match="when"):
        model.fit(bad, y)
    with pytest.raises(ValueError):
        model.fit(X, y[:-1])
    np.testing.assert_array_equal(model.predict(X), before)
    assert list(model.feature_names_in_) == list(X.columns)


@EACH
def test_unfitted(cls):
    X, y = problem(cls)
    with pytest.raises(NotFittedError):
        cls().predict(X)
    assert not hasattr(cls(), "loss_curves_")


@EACH
def test_verbose_has_a_line_for_each_network(cls, capsys):
    X, y = problem(cls)
    cls(3, **QUICK, verbose=True).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert all("of 3: 6 epochs, smallest validation loss" in line for line in lines)
    cls(3, **QUICK).fit(X, y)
    assert not capsys.readouterr().out


def test_a_verbose_line_is_written_at_once(monkeypatch):
    """Members in other threads print as well."""
    X, y = problem(TabularRegressor)
    texts = []
    monkeypatch.setattr(sys.stdout, "write", texts.append)
    TabularRegressor(2, **QUICK, verbose=True).fit(X, y)
    assert [text.count("\n") for text in texts if text] == [1, 1]


@EACH
def test_time_ends_a_fit(cls):
    X, y = problem(cls)
    model = cls(**{**QUICK, "max_iter": 10**7}, max_time=0.3)
    with pytest.warns(ConvergenceWarning, match="max_time"):
        model.fit(X, y)
    assert 1 <= model.n_iter_ < 10**7 and np.isfinite(model.oob_score_)


@EACH
def test_presets(cls):
    X, y = problem(cls)
    assert clone(cls(preset={"dropout": 0.0})).preset == {"dropout": 0.0}
    plain = cls(**QUICK).fit(X, y)
    same = cls(**QUICK, preset=Preset()).fit(X, y)
    np.testing.assert_array_equal(plain.predict(X), same.predict(X))
    other = cls(**QUICK, preset={"n_bins": 4, "dropout": 0.0, "n_folds": 3}).fit(X, y)
    assert other.estimators_[0].dropout == 0
    assert other.encoder_.transform(X).shape[1] == plain.encoder_.transform(X).shape[1] + 2 * 4
    last = cls(**QUICK, preset={"keeps_best_epoch": False}).fit(X, y)
    assert last.estimators_[0].best_validation_score_ is None
    assert len(last.validation_loss_curves_[0]) == 6 and np.isfinite(last.oob_score_)
    every = cls(**QUICK, preset={"ends_after_worse_wave": False}).fit(X, y)
    assert {member.n_iter_ for member in every.estimators_} == {6}
    with pytest.raises(ValueError, match="'dropuot', which is not part .* Did you mean 'dropout'"):
        cls(**QUICK, preset={"dropuot": 0.1}).fit(X, y)
    with pytest.raises(ValueError, match="'learning_rate_init' parameter of Backprop"):
        cls(**QUICK, preset={"learning_rate_init": -1}).fit(X, y)


@EACH
@pytest.mark.parametrize(
    "params",
    [{"n_estimators": 0}, {"max_iter": 0}, {"max_time": 0}, {"preset": 3}, {"n_threads": 0}],
)
def test_parameters_that_cannot_be(cls, params):
    X, y = problem(cls)
    with pytest.raises(ValueError, match=next(iter(params))):
        cls(**{**QUICK, **params}).fit(X, y)


# --- classes ---


@pytest.mark.parametrize(
    "labels", [["no", "yes"], [False, True], [3, 7], ["a", "b", "c"], [1, 2, 3, 10]]
)
def test_kinds_of_labels(labels):
    X, y = raw_table()
    y = np.array(labels)[np.digitize(y, np.quantile(y, np.arange(1, len(labels)) / len(labels)))]
    model = TabularClassifier(**QUICK).fit(X, y)
    np.testing.assert_array_equal(model.classes_, labels)
    assert model.predict(X).dtype == y.dtype and set(model.predict(X)) <= set(labels)
    probabilities = model.predict_proba(X)
    assert probabilities.shape == (len(X), len(labels))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(np.exp(model.predict_log_proba(X)), probabilities, rtol=1e-12)
    assert model.oob_decision_function_.shape == (len(X), len(labels))


def test_a_single_class():
    X, _ = raw_table()
    model = TabularClassifier(**QUICK).fit(X, np.full(len(X), "only"))
    assert set(model.predict(X)) == {"only"}
    np.testing.assert_array_equal(model.predict_proba(X), np.ones((len(X), 1)))


def test_a_class_of_a_single_row():
    X, y = raw_table()
    labels = (y > np.median(y)).astype(int)
    labels[5] = 2
    model = TabularClassifier(**QUICK).fit(X, labels)
    assert model.predict_proba(X).shape == (len(X), 3)


def test_class_weights():
    X, y = raw_table(600)
    rare = np.where(y > np.quantile(y, 0.9), "rare", "frequent")
    plain = TabularClassifier(**QUICK).fit(X, rare)
    balanced = TabularClassifier(**QUICK, class_weight="balanced").fit(X, rare)
    assert balanced.predict_proba(X)[:, 1].mean() > plain.predict_proba(X)[:, 1].mean() + 0.05
    # the same as weights of the rows
    named = TabularClassifier(**QUICK, class_weight={"rare": 3.0}).fit(X, rare)
    weighted = TabularClassifier(**QUICK).fit(X, rare, np.where(rare == "rare", 3.0, 1.0))
    np.testing.assert_array_equal(named.predict_proba(X), weighted.predict_proba(X))


def test_labels_that_cannot_be():
    X, y = raw_table()
    with pytest.raises(ValueError, match="`y_val` has classes not in"):
        labels = np.arange(len(X)) % 2
        TabularClassifier(**QUICK).fit(X, labels, X_val=X, y_val=labels + 1)
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        TabularClassifier(**QUICK).fit(X, y)
    with pytest.raises(ValueError, match="1d array"):
        TabularClassifier(**QUICK).fit(X, np.ones((len(X), 2), int))


# --- numbers ---


def test_the_scale_of_targets_does_not_matter():
    X, y = raw_table()
    a = TabularRegressor(**QUICK).fit(X, y)
    b = TabularRegressor(**QUICK).fit(X, 1e6 + 1e3 * y)
    np.testing.assert_allclose(1e6 + 1e3 * a.predict(X), b.predict(X), rtol=1e-6)


def test_predictions_stay_within_the_range_of_y():
    X, y = raw_table()
    far = X.assign(size=X["size"] * 1e6)
    predictions = TabularRegressor(**QUICK).fit(X, y).predict(far)
    assert predictions.min() >= y.min() and predictions.max() <= y.max()


@pytest.mark.parametrize(
    "loss", ["squared_error", "absolute_error", "huber", "poisson", "gamma", "gaussian"]
)
def test_losses(loss):
    X, y = raw_table(600)
    y = np.exp(y - y.mean())
    model = TabularRegressor(loss=loss, random_state=0, max_iter=32, hidden_layer_sizes=(32,))
    model.fit(X[:450], y[:450])
    assert model.score(X[450:], y[450:]) > 0.7
    assert (model.predict(X) > 0).all()


def test_counts_with_zeros():
    X, y = raw_table()
    counts = np.random.default_rng(0).poisson(np.exp(y - y.mean()))
    model = TabularRegressor(loss="poisson", **QUICK).fit(X, counts)
    assert (model.predict(X) > 0).all()
    with pytest.raises(ValueError, match="gamma"):
        TabularRegressor(loss="gamma", **QUICK).fit(X, counts)
    with pytest.raises(ValueError, match="poisson"):
        TabularRegressor(loss="poisson", **QUICK).fit(X, counts - 1)


def test_one_quantile():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((6000, 2))
    y = X[:, 0] + rng.standard_normal(6000)
    model = TabularRegressor(loss="quantile", quantile=0.9, max_iter=16, random_state=0)
    predictions = model.fit(X[:2000], y[:2000]).predict(X[2000:])
    assert abs(np.mean(y[2000:] <= predictions) - 0.9) < 0.02


def test_a_quantile_without_its_loss_has_no_effect():
    X, y = raw_table()
    with pytest.warns(UserWarning, match="quantile=0.9 has no effect with loss='squared_error'"):
        TabularRegressor(quantile=0.9, **QUICK).fit(X, y)


def test_several_quantiles_never_cross():
    X, y = raw_table(600)
    model = TabularRegressor(loss="quantile", quantile=[0.1, 0.5, 0.9], max_iter=32, random_state=0)
    predictions = model.fit(X, y).predict(X)
    assert predictions.shape == (600, 3) and (np.diff(predictions, axis=1) >= 0).all()
    assert 0 < model.oob_score_ < model.score(X, y) < 1
    assert model.oob_prediction_.shape == (600, 3)


def test_several_targets():
    X, y = raw_table(600)
    both = np.column_stack([y, 1e3 - 100 * y])
    model = TabularRegressor(random_state=0, max_iter=32).fit(X, both)
    predictions, spread = model.predict(X, return_std=True)
    assert predictions.shape == spread.shape == (600, 2)
    assert model.oob_prediction_.shape == (600, 2) and model.oob_score_ > 0.85


def test_the_spread_of_the_networks():
    X, y = raw_table()
    model = TabularRegressor(**QUICK).fit(X, y)
    mean, spread = model.predict(X, return_std=True)
    np.testing.assert_array_equal(mean, model.predict(X))
    each = model._predictions_of_members(model.encoder_.transform(X))
    np.testing.assert_allclose(spread, np.std(each, axis=0)[:, 0], rtol=1e-12)
    assert (spread > 0).all()
    alone = TabularRegressor(1, **QUICK).fit(X, y)
    np.testing.assert_array_equal(alone.predict(X, return_std=True)[1], np.zeros(len(X)))


# --- libraries of tables ---


@EACH
@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_tables_of_other_libraries(cls, library):
    """In the gate, polars and pyarrow are always there (the extra test-tables)."""
    X, y = problem(cls)
    module = pytest.importorskip(library)
    convert = module.from_pandas if library == "polars" else module.Table.from_pandas
    weights = np.random.default_rng(0).integers(0, 3, len(X)).astype(float)
    expected = cls(**QUICK).fit(X, y, weights)
    found = cls(**QUICK).fit(convert(X), y, weights)
    np.testing.assert_array_equal(found.predict(convert(X)), expected.predict(X))
    assert list(found.feature_names_in_) == list(X.columns)


@EACH
def test_pandas_output_is_for_transformers(cls):
    X, y = problem(cls)
    expected = cls(**QUICK).fit(X, y).predict(X)
    with config_context(transform_output="pandas"):
        np.testing.assert_array_equal(cls(**QUICK).fit(X, y).predict(X), expected)
