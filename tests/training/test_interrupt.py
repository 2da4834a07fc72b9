"""Ctrl-C during training: it stops, warns, and leaves an estimator that can be used.

Each test runs in a process of its own, so that an interrupt that comes too late cannot hit the
tests. The scripts print facts as JSON; the tests judge them. Nothing is asserted in seconds: the
runs would go on for hours and are interrupted after an epoch or iteration, however long that takes,
or the interrupt falls in the midst of one compiled call, whose work must then be undone or
unfinished.
"""

import pytest
from separate import assert_usable, run, run_each


@pytest.mark.slow
def test_endless_epochs():
    cases = [
        dict(cls=cls, solver=solver)
        for cls in ("BackpropClassifier", "BackpropRegressor")
        for solver in ("sgd", "adam")
    ]
    script = """
        rng = np.random.default_rng(0)
        X = rng.standard_normal((500, 10))
        y = (X[:, 0] > 0).astype(int)
        estimator = {cls}(
            (20,), solver="{solver}", tol=0.0, n_iter_no_change=np.inf, max_iter=ENDLESS,
            learning_rate_init=1e-5, random_state=0,
        )
        messages = interrupted(lambda: estimator.fit(X, y), 0.05, trained())
        facts(estimator, X, y, messages=messages)
    """
    for facts in run_each(script, cases):
        assert_usable(facts)
        assert 0 < facts["n_iter"] < 10**9
        assert facts["n_losses"] == facts["n_iter"]
        assert facts["t"] == 500 * facts["n_iter"]


@pytest.mark.slow
def test_training_goes_on_afterwards():
    """More epochs lead to the weights of an uninterrupted run.

    Finished batches of the interrupted epoch are kept, here none or its only one. The epoch is not
    counted.
    """
    facts = run(
        """
        X = np.random.default_rng(0).standard_normal((300, 5))
        y = np.sin(X[:, 0])
        params = dict(
            hidden_layer_sizes=(8,), solver="sgd", momentum=0.0, shuffle=False, tol=0.0,
            n_iter_no_change=np.inf, random_state=0, batch_size=300,
        )
        estimator = BackpropRegressor(max_iter=ENDLESS, warm_start=True, **params)
        messages = interrupted(lambda: estimator.fit(X, y), 0.05, trained())
        epochs = estimator.n_iter_
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            unbroken = [
                BackpropRegressor(max_iter=epochs + more, **params).fit(X, y) for more in (3, 4)
            ]
            estimator.set_params(max_iter=3).fit(X, y)
        same = any(
            bool((one.network_.params == estimator.network_.params).all()) for one in unbroken
        )
        facts(estimator, X, y, messages=messages, same=same, epochs=epochs)
    """,
    )
    assert_usable(facts)
    assert facts["same"]
    assert facts["n_losses"] == facts["epochs"] + 3


@pytest.mark.slow
def test_best_weights_are_restored():
    """The weights are those of a run that ended with the best epoch."""
    cases = [dict(cls="BackpropClassifier"), dict(cls="BackpropRegressor")]
    script = """
        rng = np.random.default_rng(0)
        X = rng.standard_normal((200, 5))
        y = (X[:, 0] + rng.standard_normal(200) > 0).astype(int)
        params = dict(
            hidden_layer_sizes=(10,), learning_rate_init=0.02, early_stopping=True, tol=0.0,
            n_iter_no_change=np.inf, random_state=0, validation_fraction=0.3,
        )
        estimator = {cls}(max_iter=ENDLESS, **params)
        messages = interrupted(lambda: estimator.fit(X, y), 0.05, trained(100))
        best = int(np.argmax(estimator.validation_scores_))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            stopped = {cls}(max_iter=best + 1, **params).fit(X, y)
        same = bool((stopped.network_.params == estimator.network_.params).all())
        score = estimator.best_validation_score_ == max(estimator.validation_scores_)
        facts(estimator, X, y, messages=messages, best=best, same=same, score=score)
    """
    for facts in run_each(script, cases):
        assert_usable(facts)
        assert facts["best"] + 1 < facts["n_iter"], "the last epoch must not be the best one"
        assert facts["same"] and facts["score"]


@pytest.mark.slow
def test_endless_lbfgs():
    facts = run(
        """
        rng = np.random.default_rng(0)
        X = rng.standard_normal((4000, 30))
        y = rng.standard_normal(4000)
        estimator = BackpropRegressor(
            (100, 100), activation="tanh", solver="lbfgs", alpha=0.0, tol=1e-300,
            max_iter=ENDLESS, max_fun=ENDLESS, random_state=0,
        )
        messages = interrupted(lambda: estimator.fit(X, y), 0.05, trained())
        start = Network([30, 100, 100, 1], activation="tanh", random_state=0).loss(X, y)
        facts(
            estimator, X, y, messages=messages, start=start, loss=estimator.loss_,
            loss_there=estimator.network_.loss(X, y),
        )
    """,
    )
    assert_usable(facts)
    assert facts["n_losses"] == facts["n_iter"] > 0
    assert facts["loss"] == pytest.approx(facts["loss_there"], rel=1e-10)
    assert facts["loss"] < facts["start"]


# --- in the midst of one compiled call ---
# The interrupt comes as soon as the call lets other threads run: when it begins to compute. If it
# were noticed only at the end, the weights would have changed.


@pytest.mark.slow
def test_one_giant_batch():
    """No step is taken for a batch that was not finished."""
    cases = [
        dict(solver=solver, method=method, container=container)
        for solver, method, container in [
            ("sgd", "fit", "np.asarray"),
            ("adam", "fit", "np.asarray"),
            ("adam", "fit", "sparse.csr_matrix"),
            ("adam", "partial_fit", "np.asarray"),
            ("lbfgs", "fit", "np.asarray"),
        ]
    ]
    script = """
        X = np.random.default_rng(0).standard_normal((5000, 40))
        y = np.sin(X[:, 0])
        X = {container}(X)
        network = Network([40, 600, 600, 1], random_state=0)
        estimator = BackpropRegressor(
            (600, 600), solver="{solver}", batch_size=len(y), max_iter=1, random_state=0
        )
        messages = interrupted(lambda: estimator.{method}(X, y), 0, begun("{solver}"))
        same = bool((estimator.network_.params == network.params).all())
        facts(estimator, X, y, messages=messages, same=same)
    """
    for case, facts in zip(cases, run_each(script, cases), strict=True):
        assert_usable(facts)
        assert facts["same"], case
        assert facts["n_iter"] == 0
        assert facts["t"] == 0


@pytest.mark.slow
def test_one_long_epoch_of_tiny_batches():
    """Finished batches count; the epoch does not."""
    facts = run(
        """
        X = np.random.default_rng(0).standard_normal((100_000, 20))
        y = np.sin(X[:, 0])
        params = dict(
            hidden_layer_sizes=(50,), solver="sgd", batch_size=1, max_iter=1, random_state=0,
            learning_rate_init=1e-3,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            whole = BackpropRegressor(**params).fit(X, y)
        estimator = BackpropRegressor(**params)
        messages = interrupted(lambda: estimator.fit(X, y), 0.05, begun("sgd"))
        params = estimator.network_.params
        started = bool((params != Network([20, 50, 1], random_state=0).params).any())
        ended = bool((params == whole.network_.params).all())
        facts(estimator, X, y, messages=messages, started=started, ended=ended)
    """,
    )
    assert_usable(facts)
    assert facts["started"] and not facts["ended"]
    assert facts["n_iter"] == facts["n_losses"] == facts["t"] == 0


def test_interrupt_outside_training_is_not_swallowed():
    """Between two fits, KeyboardInterrupt reaches the user's own loop."""
    facts = run("""
        X = np.random.default_rng(0).standard_normal((50, 3))
        estimator = BackpropRegressor((3,), max_iter=1)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                estimator.fit(X, X[:, 0])
            signal.raise_signal(signal.SIGINT)
            reached = True
        except KeyboardInterrupt:
            reached = False
        facts(estimator, X, X[:, 0], messages=[], reached=reached)
    """)
    assert not facts["reached"]
