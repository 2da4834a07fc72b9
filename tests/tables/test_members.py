"""Members of an ensemble: trained on rows of shared arrays, side by side, to the same bits."""

import tracemalloc

import numpy as np
import pytest
from internals import EncodedTable, TargetScale, is_worse_wave, make_splits, train_members
from separate import run, run_each
from sklearn.exceptions import ConvergenceWarning

from fastbp import BackpropClassifier, BackpropRegressor

PARAMS = {
    "hidden_layer_sizes": (8,),
    "alpha": 0.0,
    "batch_size": 16,
    "max_iter": 5,
    "early_stopping": True,
    "scoring": "loss",
    "n_iter_no_change": np.inf,
    "dropout": 0.2,
}


def data(n_samples=90, n_features=4, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_samples, n_features)).astype(np.float32)
    y = np.sin(X[:, 0]) + X[:, 1]
    return X, y.astype(np.float32), rng.uniform(0.5, 2, n_samples).astype(np.float32)


def splits_of(n_samples, n_members=5):
    return make_splits(None, n_samples, n_members, 5, np.random.RandomState(0))


def members_of(cls=BackpropRegressor, n_members=5, **params):
    return [cls(random_state=k, **{**PARAMS, **params}) for k in range(n_members)]


@pytest.mark.parametrize("cls", [BackpropClassifier, BackpropRegressor])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_member_on_rows_by_index_is_a_fit_of_those_rows(cls, weighted):
    X, y, weights = data()
    if cls is BackpropClassifier:
        y = np.digitize(y, [-0.5, 0.5])
    weights = weights if weighted else None
    splits, members = splits_of(len(X)), members_of(cls)
    train_members(members, EncodedTable(X, y, weights), splits)
    for k, (training, held_out) in enumerate(splits):
        alone = cls(random_state=k, **PARAMS)
        with pytest.warns(ConvergenceWarning):
            alone.fit(
                X[training],
                y[training],
                None if weights is None else weights[training],
                X_val=X[held_out],
                y_val=y[held_out],
                sample_weight_val=None if weights is None else weights[held_out],
            )
        np.testing.assert_array_equal(members[k].network_.params, alone.network_.params)
        assert members[k].loss_curve_ == alone.loss_curve_
        assert members[k].validation_loss_curve_ == alone.validation_loss_curve_


@pytest.mark.parametrize("n_threads", [2, 3, 5, 12])
def test_the_number_of_threads_changes_no_bit(n_threads):
    X, y, weights = data()
    one, several = members_of(), members_of()
    table = EncodedTable(X, y, weights)
    train_members(one, table, splits_of(len(X)), n_threads=1)
    train_members(several, table, splits_of(len(X)), n_threads=n_threads)
    for a, b in zip(one, several, strict=True):
        np.testing.assert_array_equal(a.network_.params, b.network_.params)


def test_no_rows_are_copied():
    X, y, _ = data(20_000, 50)
    members, splits = members_of(batch_size=200, max_iter=2), splits_of(len(X))
    tracemalloc.start()
    try:
        train_members(members, EncodedTable(X, y, None), splits, n_threads=1)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # some arrays of one number a row
    assert peak < 0.15 * X.nbytes


def test_a_members_own_scorer_gets_the_rows_held_out():
    X, y, _ = data()
    seen = []

    def scorer(estimator, X_val, y_val):
        seen.append((X_val, y_val))
        return 0.0

    member = BackpropRegressor(random_state=0, **{**PARAMS, "scoring": scorer})
    splits = splits_of(len(X))[:1]
    train_members([member], EncodedTable(X, y, None), splits)
    np.testing.assert_array_equal(seen[0][0], X[splits[0][1]])
    np.testing.assert_array_equal(seen[0][1], y[splits[0][1]])


def test_members_with_the_users_validation_rows_train_on_all_others():
    X, y, _ = data()
    table = EncodedTable(X[:60], y[:60], None, (X[60:], y[60:], None))
    members = members_of(n_members=2)
    train_members(members, table, [None, None])
    for k, member in enumerate(members):
        with pytest.warns(ConvergenceWarning):
            alone = BackpropRegressor(random_state=k, **PARAMS)
            alone.fit(X[:60], y[:60], X_val=X[60:], y_val=y[60:])
        np.testing.assert_array_equal(member.network_.params, alone.network_.params)


@pytest.mark.parametrize(
    ("losses", "ends"),
    [
        ([3, 1, 2, 2], False),  # within a wave
        ([3, 1, 2, 2, 2], True),  # the second wave is over
        ([3, 1, 2, 2, 1], False),  # as good as the first
        ([3, 1, 0.5, 2, 2], False),
        ([3, 2], False),  # nothing comes before the first wave
        ([3, 1, 1, 2, 0.5, 0.4, 3, 0.5, 0.6], False),
        ([3, 1, 1, 2, 0.5, 0.7, 0.6, 0.6, 0.6], True),
        ([3, np.nan, np.nan, np.nan, np.nan], False),
    ],
)
def test_a_wave_worse_than_those_before(losses, ends):
    assert is_worse_wave(losses, [2, 5, 9, 17]) is ends
    assert not is_worse_wave(losses, [])


def test_members_end_after_a_wave_worse_than_those_before():
    """The same members as with all epochs, but for what comes after that wave."""
    X, y, _ = data(seed=1)
    noise = np.random.default_rng(0).standard_normal(len(y)).astype(np.float32)  # overfits soon
    splits, ends = splits_of(len(X)), [4, 12, 28, 60]
    settings = dict(max_iter=60, learning_rate_init=0.02, hidden_layer_sizes=(32,))
    members, whole = members_of(**settings), members_of(**settings)
    train_members(members, EncodedTable(X, noise, None), splits, ends_of_waves=ends)
    train_members(whole, EncodedTable(X, noise, None), splits)
    numbers = [member.n_iter_ for member in members]
    assert {member.n_iter_ for member in whole} == {60}
    assert set(numbers) <= {12, 28, 60} and min(numbers) < 60
    for member, other in zip(members, whole, strict=True):
        curve, n_epochs = other.validation_loss_curve_, member.n_iter_
        assert member.validation_loss_curve_ == curve[:n_epochs]
        stops = [end for end in ends if is_worse_wave(curve[:end], ends)]
        assert n_epochs == (stops[0] if stops else 60)
        if min(curve) == min(curve[:n_epochs]):
            np.testing.assert_array_equal(member.network_.params, other.network_.params)


def test_members_hold_no_moments():
    X, y, _ = data()
    members = members_of()
    train_members(members, EncodedTable(X, y, None), splits_of(len(X)))
    assert {member._training_state.moments.size for member in members} == {0}
    members[0].early_stopping = False
    members[0].partial_fit(X, y)  # training goes on, with new moments
    assert members[0]._training_state.moments.size > 0


def test_an_error_of_a_member_is_raised_and_ends_the_others():
    X, y, _ = data()
    members = members_of(max_iter=10**9)
    members[3].hidden_layer_sizes = (0,)
    with pytest.raises(ValueError, match="hidden_layer_sizes"):
        train_members(members, EncodedTable(X, y, None), splits_of(len(X)), n_threads=5)
    assert all(one is members[3] or one.n_iter_ >= 1 for one in members if hasattr(one, "n_iter_"))


def test_time_is_for_all_members():
    X, y, _ = data()
    members = members_of(max_iter=10**9)
    with pytest.warns(ConvergenceWarning, match=r"max_time=0\.2 seconds"):
        table = EncodedTable(X, y, None)
        train_members(members, table, splits_of(len(X)), n_threads=1, max_time=0.2)
    assert all(member.n_iter_ >= 1 for member in members)


def test_standardised_targets():
    y = np.array([[1.0, 10.0], [3.0, 30.0], [5.0, 20.0]])
    scale = TargetScale.of(y, None, loss="squared_error")
    shrunk = scale.shrink(y)
    assert shrunk.dtype == np.float32
    np.testing.assert_allclose(shrunk.mean(axis=0), 0, atol=1e-7)
    np.testing.assert_allclose(shrunk.std(axis=0), 1, rtol=1e-6)
    np.testing.assert_allclose(scale.restore(shrunk), y, rtol=1e-6)


def test_weights_of_rows_count_in_the_scale():
    y, weights = np.array([[1.0], [2.0], [7.0]]), np.array([2.0, 3.0, 1.0])
    scale = TargetScale.of(y, weights, loss="squared_error")
    repeated = TargetScale.of(np.repeat(y, [2, 3, 1], axis=0), None, loss="squared_error")
    np.testing.assert_allclose(scale.center, repeated.center, rtol=1e-14)
    np.testing.assert_allclose(scale.scale, repeated.scale, rtol=1e-14)


@pytest.mark.parametrize("loss", ["poisson", "gamma"])
def test_on_a_log_scale_zero_stays_zero(loss):
    scale = TargetScale.of(np.array([[0.0], [4.0], [8.0]]), None, loss=loss)
    np.testing.assert_array_equal(scale.shrink(np.array([[0.0], [4.0]])), [[0], [1]])


def test_predictions_stay_within_the_range_seen():
    y = np.array([[1.0], [3.0]])
    outputs = np.array([[-50.0], [0.0], [50.0]])
    clipped = TargetScale.of(y, None, loss="squared_error")
    np.testing.assert_array_equal(clipped.restore(outputs), [[1], [2], [3]])
    free = TargetScale.of(y, None, loss="squared_error", clips=False)
    np.testing.assert_array_equal(free.restore(outputs), [[-48], [2], [52]])
    plain = TargetScale.of(y, None, loss="squared_error", scales=False, clips=False)
    np.testing.assert_array_equal(plain.restore(outputs), outputs)


def test_constant_targets_and_targets_that_are_too_large():
    constant = TargetScale.of(np.full((4, 1), 3.0), None, loss="squared_error")
    np.testing.assert_array_equal(constant.shrink(np.full((2, 1), 3.0)), np.zeros((2, 1)))
    with pytest.raises(ValueError, match="too large; divide it"):
        TargetScale.of(np.array([[1e300], [-1e300]]), None, loss="squared_error")


@pytest.mark.slow
def test_an_interrupt_keeps_what_every_member_has_reached():
    script = """
        from fastbp import TabularClassifier, TabularRegressor
        rng = np.random.default_rng(0)
        X = rng.standard_normal((400, 5))
        y = X[:, 0] + X[:, 1] > 0
        recipe = dict(learning_rate="constant")
        model = {cls}(3, max_iter=ENDLESS, n_threads=3, preset=recipe, random_state=0)
        messages = interrupted(lambda: model.fit(X, y), 0.05, trained(20, n_runs=3))
        again = pickle.loads(pickle.dumps(model))
        print(json.dumps(dict(
            messages=messages, epochs=[one.n_iter_ for one in model.estimators_],
            oob=model.oob_score_, same=bool((again.predict(X) == model.predict(X)).all()),
        )))
    """
    cases = [dict(cls="TabularClassifier"), dict(cls="TabularRegressor")]
    for facts in run_each(script, cases):
        assert facts["messages"] == ["Training interrupted by user."]
        assert all(0 < n < 10**9 for n in facts["epochs"])
        assert facts["oob"] > 0.5 and facts["same"]


@pytest.mark.slow
def test_an_interrupt_before_every_member_has_begun_undoes_the_fit():
    facts = run("""
        from fastbp import TabularRegressor
        rng = np.random.default_rng(0)
        X = rng.standard_normal((400, 5))
        model = TabularRegressor(3, max_iter=2, n_threads=1, random_state=0).fit(X, X[:, 0])
        before = model.predict(X)
        model.set_params(max_iter=ENDLESS)
        raised = False
        try:
            interrupted(lambda: model.fit(X, X[:, 1]), 0.05, trained())
        except KeyboardInterrupt:
            raised = True
        same = bool((model.predict(X) == before).all())
        while any(one.name.startswith("fastbp") for one in threading.enumerate()):
            time.sleep(0.01)  # a test that hangs has found one that has not ended
        print(json.dumps(dict(raised=raised, same=same)))
    """)
    assert facts == {"raised": True, "same": True}
