"""The tables of the user guide say what the code does.

docs/guide/solvers.md, "Which parameters act on which solver": each cell is tried. Fits with the
values of PROBES have the same weights and losses, to the last bit, where the guide says that a
parameter has no effect, and others where it says that it acts.
docs/guide/losses.md, "The outputs": each loss is tried with each output, and with targets inside
and outside the ranges that the guide gives.
"""

import inspect
import itertools
import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from internals import ACTIVATIONS, n_targets
from sklearn.metrics import mean_squared_error

from fastbp import BackpropClassifier, BackpropRegressor, Network

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

ROOT = next(folder for folder in Path(__file__).parents if (folder / "docs" / "guide").is_dir())
GUIDE = ROOT / "docs" / "guide"


def names_in(text):
    return re.findall(r"`([a-z]\w*)`", text)


def table_below(page, heading):
    """The cells of the first table below a heading, by row; the first row is the head."""
    text = (GUIDE / page).read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2]
    lines = itertools.takewhile(
        lambda line: line.startswith("|"),
        itertools.dropwhile(lambda line: not line.startswith("|"), text.splitlines()),
    )
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in rows if not set("".join(row)) <= set(":-")]


# --- which parameters act on which solver ---------------------------------------------------------


def read_cells():
    """{(parameter, solver): mark} of the guide's table."""
    head, *rows = table_below("solvers.md", "Which parameters act on which solver")
    solvers = [re.sub(r"[\\ ]", "", cell) for cell in head[1:-1]]
    cells = {}
    for row in rows:
        for name in names_in(row[0]):
            for solver, mark in zip(solvers, row[1:-1], strict=True):
                assert (name, solver) not in cells, f"{name} stands in two rows"
                cells[name, solver] = mark
    return cells


CELLS = read_cells()
SOLVERS = {solver for _, solver in CELLS}
METHODS = {"partial_fit", "fit_batches"}
PARAMETERS = {name for name, _ in CELLS} - METHODS


class LogCosh:
    """A user's loss."""

    def loss(self, y, outputs):
        return np.log(np.cosh(outputs - y)).sum(axis=1)

    def gradient(self, y, outputs):
        return np.tanh(outputs - y)


def rate_of(epoch):
    return 0.02 / (epoch + 1)


def error(estimator, X, y):
    """The higher the worse: early stopping keeps other weights than usual."""
    return mean_squared_error(y, estimator.predict(X))


def same_score(estimator, X, y):
    return 0.0


STOPS = {"early_stopping": True, "validation_fraction": 0.25}


# of each parameter: the values to try, and what else has to be set for it to act
class Hashable(dict):
    def __hash__(self):
        return hash(tuple(self.items()))


PROBES = {
    "hidden_layer_sizes": ([(4,), (5,), (4, 3)], {}),
    "activation": (["relu", "tanh", ("tanh",), ("gelu",)], {}),
    "output_activation": (["identity", "logistic"], {"loss": "squared_error"}),
    "fit_intercept": ([True, False], {}),
    "front": ([None, "scale", "periodic"], {}),
    "n_periodic": ([None, 1], {"front": "periodic"}),
    "loss": (["squared_error", LogCosh()], {}),
    "huber_delta": ([0.05, 0.5], {"loss": "huber"}),
    "quantile": ([0.2, 0.7], {"loss": "quantile"}),
    "label_smoothing": ([0.0, 0.2], {}),
    "class_weight": ([None, "balanced"], {}),
    "alpha": ([0.0, 1.0], {}),
    "l1_ratio": ([0.1, 0.9], {"alpha": 1.0}),
    "weight_decay": ([0.0, 0.5], {}),
    "dropout": ([0.0, 0.5], {}),
    "input_dropout": ([0.0, 0.5], {}),
    "max_grad_norm": ([None, 1e-3], {}),
    "batch_size": (["auto", 5, 11], {}),
    "shuffle": ([True, False], {"batch_size": 5}),
    "learning_rate": (
        [
            *("constant", "invscaling", "adaptive", "exponential", "cosine", "one_cycle"),
            *("coslog4", rate_of),
        ],
        {},
    ),
    "learning_rate_init": ([0.001, 0.02], {}),
    "learning_rate_factors": ([None, Hashable(coefs="fan_in")], {}),
    "power_t": ([0.1, 0.9], {"learning_rate": "invscaling"}),
    "decay_rate": ([0.5, 0.9], {"learning_rate": "exponential"}),
    "warmup_epochs": ([0, 2], {}),
    "momentum": ([0.1, 0.9], {}),
    "nesterovs_momentum": ([True, False], {}),
    "beta_1": ([0.1, 0.9], {}),
    "beta_2": ([0.1, 0.9], {}),
    "epsilon": ([1e-8, 1e-2], {}),
    "max_iter": ([2, 4], {}),
    "max_time": ([None, 1e-9], {}),
    "max_fun": ([15000, 2], {}),
    "tol": ([1e-6, 1e6], {"n_iter_no_change": 1}),
    "n_iter_no_change": ([1, 3], {"tol": 1e6}),
    "early_stopping": ([True, False], {"validation_fraction": 0.25}),
    "validation_fraction": ([0.2, 0.5], {"early_stopping": True}),
    "scoring": ([None, error], STOPS),
    "random_state": ([0, 1], {}),
    "n_threads": ([1, 2], {"hidden_layer_sizes": (40, 20)}),
}
# seen elsewhere than in the network after one fit
SEEN_ELSEWHERE = {"warm_start", "verbose", "checkpoint", "checkpoint_interval"}
FOR_ALL = {"hidden_layer_sizes": (5,), "max_iter": 6, "random_state": 0, "learning_rate_init": 0.01}


@cache
def defaults_of(cls):
    """{parameter: default} of an estimator."""
    return {name: one.default for name, one in inspect.signature(cls).parameters.items()}


def parameters_of(cls):
    return set(defaults_of(cls))


def estimators_with(name):
    return [cls for cls in (BackpropClassifier, BackpropRegressor) if name in parameters_of(cls)]


def make_samples(cls):
    """Targets of a regressor are between 0 and 1, which every output and loss takes."""
    X = np.random.default_rng(0).normal(size=(40, 3))
    scores = X @ np.array([1.0, -1.0, 0.5]) + 0.3 * X[:, 0] * X[:, 1]
    return X, (scores > 0).astype(int) if cls is BackpropClassifier else 1 / (1 + np.exp(-scores))


def make(cls, solver, **params):
    if CELLS["loss", solver] == "s":
        params["loss"] = "squared_error"
    return cls(solver=solver, **{**FOR_ALL, **params})


@cache
def fitted(cls, solver, validate, changes):
    """Layer sizes, parameters and loss curve of a fit with these (name, value) pairs."""
    X, y = make_samples(cls)
    held_out = {"X_val": X[:9], "y_val": y[:9]} if validate else {}
    model = make(cls, solver, **dict(changes)).fit(X, y, **held_out)
    return model.network_.layer_sizes, model.network_.params.tobytes(), tuple(model.loss_curve_)


def results(cls, solver, validate=False, **params):
    """What the parameters lead to; fits that many tests share are made once."""
    defaults = defaults_of(cls)
    changes = tuple(item for item in params.items() if item[1] is not defaults[item[0]])
    return fitted(cls, solver, validate, changes)


def results_of(name, solver, cls, **further):
    """The different results that the values of a parameter lead to."""
    values, needed = PROBES[name]
    return {results(cls, solver, **{**further, **needed, name: value}) for value in values}


def cells_marked(mark):
    return sorted(cell for cell, found in CELLS.items() if found == mark and cell[0] in PROBES)


def solvers_marked(mark, name):
    """The solvers in whose column a parameter has this mark."""
    return [solver for one, solver in cells_marked(mark) if one == name]


def test_the_table_and_the_probes_are_complete():
    constructors = parameters_of(BackpropClassifier) | parameters_of(BackpropRegressor)
    assert constructors - {"solver"} == PARAMETERS
    assert PARAMETERS == set(PROBES) | SEEN_ELSEWHERE
    with pytest.raises(ValueError, match="'solver' parameter") as refused:
        BackpropRegressor(solver="?").fit(*make_samples(BackpropRegressor))
    assert set(re.findall(r"'(\w+)'[,}]", str(refused.value))) == SOLVERS
    assert CELLS.keys() == set(itertools.product(PARAMETERS | METHODS, SOLVERS))


def test_every_mark_is_explained_and_tried():
    tried = set(cells_marked("●") + cells_marked("·"))
    tried |= {cell for cell in CELLS if cell[0] in SEEN_ELSEWHERE | METHODS}
    others = {(cell[0], mark) for cell, mark in CELLS.items() if cell not in tried}
    # each has its test below, of all solvers with that mark
    assert others == {
        ("loss", "s"),
        ("l1_ratio", "0"),
        ("tol", "g"),
        ("n_iter_no_change", "e"),
        ("scoring", "r"),
        ("n_threads", "b"),
    }
    notes = [row[-1] for row in table_below("solvers.md", "Which parameters act on which solver")]
    for mark in {*(mark for _, mark in others), "–"}:
        assert any(note.startswith(f"{mark}:") for note in notes), mark


def with_estimators(names):
    """Each name with its estimators; in make check with one of them, in turn."""
    params = []
    for i, name in enumerate(names):
        classes = estimators_with(name)
        for i_cls, cls in enumerate(classes):
            marks = [] if i % len(classes) == i_cls else [pytest.mark.grid]
            params.append(pytest.param(name, cls, id=f"{name}-{cls.__name__}", marks=marks))
    return pytest.mark.parametrize(("name", "cls"), params)


@with_estimators(PROBES)
def test_acts(name, cls):
    for solver in solvers_marked("●", name):
        assert len(results_of(name, solver, cls)) > 1, solver


@pytest.mark.filterwarnings("ignore:(quantile|huber_delta)=.* has no effect with loss")
@with_estimators(PROBES)
@pytest.mark.parametrize(
    "further",
    [
        pytest.param({}, marks=pytest.mark.grid, id="alone"),
        pytest.param({"validate": True}, marks=pytest.mark.grid, id="validation"),
        pytest.param(STOPS, id="early stopping"),
    ],
)
def test_has_no_effect(name, cls, further):
    """Beside early stopping not even on the random draw of the validation samples."""
    for solver in solvers_marked("·", name):
        assert len(results_of(name, solver, cls, **further)) == 1, solver


def each_marked(mark, name):
    return pytest.mark.parametrize("solver", solvers_marked(mark, name))


@each_marked("s", "loss")
def test_solvers_of_squared_error_alone(solver):
    X, y = make_samples(BackpropRegressor)
    for loss in [
        *(loss for loss in LOSSES if loss not in ("squared_error", "log_loss")),
        LogCosh(),
    ]:
        with pytest.raises(ValueError, match="loss='squared_error'"):
            BackpropRegressor(solver=solver, loss=loss).fit(X, y)
    with pytest.raises(ValueError, match="loss='squared_error'"):
        BackpropClassifier(solver=solver).fit(*make_samples(BackpropClassifier))


@each_marked("0", "l1_ratio")
def test_l1_ratio_must_be_0(solver):
    for cls in (BackpropClassifier, BackpropRegressor):
        with pytest.raises(ValueError, match="l1_ratio=0"):
            make(cls, solver, alpha=0.1, l1_ratio=0.5).fit(*make_samples(cls))
        without = {results(cls, solver, alpha=0.0, l1_ratio=ratio) for ratio in (0.0, 0.5)}
        assert len(without) == 1


@each_marked("g", "tol")
def test_tol_as_a_bound_on_the_gradient(solver):
    for cls in (BackpropClassifier, BackpropRegressor):
        X, y = make_samples(cls)
        model = make(cls, solver, tol=0.01, max_iter=1000).fit(X, y)
        gradient = model.network_.loss_gradient(X, y).flat
        assert 0 < np.max(np.abs(gradient)) <= 0.01
        assert model.n_iter_ < 1000


@each_marked("e", "n_iter_no_change")
def test_n_iter_no_change_with_early_stopping(solver):
    """tol is then also the least improvement of the score, which here stays what it is."""
    lasts = {"tol": 1e-12, "scoring": same_score}
    for cls in (BackpropClassifier, BackpropRegressor):
        X, y = make_samples(cls)
        ways = [{**lasts, "n_iter_no_change": n} for n in (1, 3)] + [{**lasts, "tol": 0.0}]
        assert len({results(cls, solver, **way) for way in ways}) == 1
        fits = [make(cls, solver, **way, **STOPS).fit(X, y) for way in ways]
        assert [fit.n_iter_ for fit in fits] == [3, 5, FOR_ALL["max_iter"]]


@each_marked("r", "scoring")
def test_scoring_that_is_recorded(solver):
    for cls in (BackpropClassifier, BackpropRegressor):
        X, y = make_samples(cls)
        fits = [
            make(cls, solver, scoring=scoring, **STOPS).fit(X, y, X_val=X[:9], y_val=y[:9])
            for scoring in (None, error)
        ]
        assert fits[0].validation_scores_ != fits[1].validation_scores_
        np.testing.assert_array_equal(fits[0].network_.params, fits[1].network_.params)


@each_marked("b", "n_threads")
def test_n_threads_of_blas(solver):
    """BLAS, which it limits, rounds as it likes."""
    one, two = (np.frombuffer(results(BackpropRegressor, solver, n_threads=n)[1]) for n in (1, 2))
    np.testing.assert_allclose(two, one, rtol=0, atol=1e-6 * np.max(np.abs(one)))


@pytest.mark.parametrize("solver", sorted(SOLVERS))
def test_warm_start(solver):
    assert CELLS["warm_start", solver] == "●"
    for cls in (BackpropClassifier, BackpropRegressor):
        X, y = make_samples(cls)
        once, again, onwards = (make(cls, solver, warm_start=warm) for warm in (False, False, True))
        once.fit(X, y)
        again.fit(X, y).fit(X, y)
        onwards.fit(X, y).fit(X, y)
        np.testing.assert_array_equal(again.network_.params, once.network_.params)
        assert not np.array_equal(onwards.network_.params, once.network_.params)


@pytest.mark.parametrize("solver", sorted(SOLVERS))
def test_verbose(solver, capfd):
    assert CELLS["verbose", solver] == "●"
    for cls in (BackpropClassifier, BackpropRegressor):
        for verbose in (False, True):
            make(cls, solver, verbose=verbose).fit(*make_samples(cls))
            assert bool(capfd.readouterr().out) is verbose


@pytest.mark.parametrize("solver", sorted(SOLVERS))
def test_partial_fit(solver):
    assert CELLS["partial_fit", solver] in "●–"
    for cls in (BackpropClassifier, BackpropRegressor):
        exists = hasattr(make(cls, solver), "partial_fit")
        assert exists is (CELLS["partial_fit", solver] == "●")


@pytest.mark.parametrize("solver", sorted(SOLVERS))
def test_fit_batches(solver):
    assert CELLS["fit_batches", solver] in "●–"
    for cls in (BackpropClassifier, BackpropRegressor):
        model, batches = make(cls, solver), [make_samples(cls)]
        if CELLS["fit_batches", solver] == "●":
            assert model.fit_batches(batches).n_iter_ > 0
        else:
            with pytest.raises(ValueError, match="fit_batches needs solver="):
                model.fit_batches(batches)


@pytest.mark.parametrize("learning_rate", ["invscaling", "adaptive"])
def test_schedules_of_sgd_alone(learning_rate):
    for cls in (BackpropClassifier, BackpropRegressor):
        stagnates = {"tol": 1e6, "n_iter_no_change": 1, "max_iter": 4}
        for solver, n_different in {"sgd": 2, "adam": 1}.items():
            networks = {
                results(cls, solver, learning_rate=one, **stagnates)
                for one in ("constant", learning_rate)
            }
            assert len(networks) == n_different, solver


# --- the outputs ----------------------------------------------------------------------------------

# where a target may be, as the guide writes it, and numbers to try
RANGES = {
    "any": lambda y: True,
    "in [0, 1]": lambda y: 0 <= y <= 1,
    r"$\ge 0$": lambda y: y >= 0,
    "$> 0$": lambda y: y > 0,
}
TARGETS = (-0.5, 0.0, 0.5, 1.0, 1.5)


def read_outputs():
    """{output: (range of its targets, losses that it is not used with)} of the guide's table."""
    _, *rows = table_below("losses.md", "The outputs")
    return {names_in(row[0])[0]: (RANGES[row[2]], names_in(row[3])) for row in rows}


def read_losses():
    """The names in the guide's table of losses, and the ranges of targets named below it."""
    _, *rows = table_below("losses.md", "The losses")
    losses = dict.fromkeys((names_in(row[0])[0] for row in rows), RANGES["any"])
    text = (GUIDE / "losses.md").read_text(encoding="utf-8")
    sentence = re.search(r"`log_loss` needs targets.*?\.\n", text, re.DOTALL)[0]
    for name, where in re.findall(r"`(\w+)`[^`]*?(in \[0, 1\]|\$[^$]+\$)", sentence):
        losses[name] = RANGES[where]
    return losses


OUTPUTS, LOSSES = read_outputs(), read_losses()
PAIRS = list(itertools.product(LOSSES, OUTPUTS))


def names_that_network_takes(parameter):
    with pytest.raises(ValueError, match="is not one of") as refused:
        Network([1, 1], **{parameter: "?"})
    return set(re.findall(r"'(\w+)'", str(refused.value)))


def test_the_guide_names_all_activations():
    text = (GUIDE / "activations.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)[1:] == ACTIVATIONS


def test_the_guide_names_all_losses_and_outputs():
    assert set(LOSSES) == names_that_network_takes("loss")
    assert set(OUTPUTS) == names_that_network_takes("output_activation")
    ranges = {loss: where for loss, where in LOSSES.items() if where is not RANGES["any"]}
    assert set(ranges) >= {"log_loss", "poisson", "gamma"}
    assert all(set(not_with) <= set(LOSSES) for _, not_with in OUTPUTS.values())


@pytest.mark.parametrize(("loss", "output"), PAIRS)
def test_pairs_that_are_refused(loss, output):
    def build():
        return Network([2, 3], loss=loss, output_activation=output)

    if loss not in OUTPUTS[output][1]:
        build()
        return
    with pytest.raises(ValueError, match=f"loss='{loss}' is undefined for") as refused:
        build()
    fitting = {one for one in OUTPUTS if loss not in OUTPUTS[one][1]}
    assert set(re.findall(r"'(\w+)'", str(refused.value).partition("; use")[2])) == fitting


def accepts(function, *args):
    try:
        function(*args)
    except ValueError as error:
        assert "needs targets" in str(error)
        return False
    return True


@pytest.mark.parametrize(
    ("loss", "output"), [pair for pair in PAIRS if pair[0] not in OUTPUTS[pair[1]][1]]
)
def test_targets(loss, output):
    """A network refuses what its loss cannot take, an estimator also what its output cannot be."""
    X, net = np.eye(3), Network([3, 2], loss=loss, output_activation=output, random_state=0)
    model = BackpropRegressor((), loss=loss, output_activation=output, max_iter=1)
    for target in TARGETS:
        y = np.array([[0.5, 0.5], [0.5, 0.5], [0.5, target]])[:, -n_targets(net) :]
        in_range_of_loss, in_range_of_output = LOSSES[loss](target), OUTPUTS[output][0](target)
        assert accepts(net.loss, X, y) is in_range_of_loss, target
        if loss != "log_loss":
            accepted = accepts(model.fit, X, y[:, 0] if y.shape[1] == 1 else y)
            assert accepted is (in_range_of_loss and in_range_of_output), target
