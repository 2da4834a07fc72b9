"""Learning rates of their own for groups of parameters, against the twin and against reason."""

import numpy as np
import pytest
from agreement import TRAINED, random_problem
from covering import grid
from internals import BUILDS, DTYPES, OPTIMIZERS, SOLVER_RECORDS, core, rate_groups
from problems import CUT_SHORT, make_regression, small
from reference import TWIN_OPTIMIZERS, ReferenceNetwork, train

from fastbp import BackpropClassifier, BackpropRegressor, Network

pytestmark = CUT_SHORT

FACTORS = {"coefs": "fan_in", "intercepts": 1.6, "scale": 4.0, "periodic": 0.5}


class Grouped:
    """An optimizer of the twin with a learning rate for each parameter."""

    def __init__(self, optimizer, factors):
        self.optimizer, self.rate = optimizer, optimizer.learning_rate
        self.learning_rate = self.rate * factors

    def step(self, params, gradient):
        self.optimizer.learning_rate = self.learning_rate
        self.optimizer.step(params, gradient)


def factors_of_params(net):
    """One factor for each parameter, written out."""
    parts = [np.full(coef.size, np.sqrt(256 / coef.shape[0])) for coef in net.coefs]
    parts += [np.full(one.size, 1.6) for one in net.intercepts]
    for name, one in net.front_params.items():
        parts.append(np.full(one.size, 4.0 if name == "scale" else 0.5))
    return np.concatenate(parts)


@grid(build=BUILDS, dtype=DTYPES, optimizer=["sgd", "adam"], front=[None, "scale", "periodic"])
def test_steps_are_those_of_the_twin(build, dtype, optimizer, front):
    rng = np.random.default_rng(0)
    net, _, X, y = random_problem(
        rng, (6, 9, 2), 53, "logistic", "log_loss", dtype=dtype, activation="tanh", front=front
    )
    start = net.params.copy()
    orders = [rng.permutation(53) for _ in range(2)]
    twin = ReferenceNetwork.like(net)
    rate = 0.01
    grouped = Grouped(TWIN_OPTIMIZERS[optimizer](rate), factors_of_params(net))
    losses = train(twin, grouped, X.astype(float), y.astype(float), orders, 13, alpha=0.3)
    settings = SOLVER_RECORDS[optimizer].settings(
        BackpropClassifier(solver=optimizer, learning_rate_init=rate, alpha=0.3).get_params()
    )
    bits = set()
    for n_threads in 1, 2, 3:
        net.params = start
        moments = np.zeros((core.N_MOMENTS[optimizer], net.n_params), dtype)
        run = net.trainer(
            net._samples(X, y, None), moments, settings, batch_size=13, n_steps=0,
            groups=rate_groups(net, FACTORS), n_threads=n_threads,
        )  # fmt: skip
        found = [run.train_epoch(order) for order in orders]
        np.testing.assert_allclose(found, losses, rtol=TRAINED[dtype])
        error = np.max(np.abs(net.params - twin.params))
        assert error <= TRAINED[dtype] * np.max(np.abs(twin.params))
        bits.add(net.params.tobytes())
    assert len(bits) == 1


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_factors_of_one_change_no_bit(solver):
    X, y = make_regression()
    nets = [
        small(BackpropRegressor, solver=solver, learning_rate_factors=factors, weight_decay=0.1)
        for factors in (None, {}, {"coefs": 1.0}, {"intercepts": 1, "scale": 1, "periodic": 1})
    ]
    params = [net.fit(X, y).network_.params for net in nets]
    for other in params[1:]:
        np.testing.assert_array_equal(other, params[0])


def test_decay_follows_the_rate_of_the_layer():
    """With zero gradients, decay is all that moves the weights."""
    X, y = np.zeros((20, 4)), np.zeros(20)
    net = BackpropRegressor(
        (8,), activation="identity", alpha=0, weight_decay=0.1, learning_rate_init=0.01,
        learning_rate_factors={"coefs": "fan_in"}, max_iter=1, batch_size=20, random_state=0,
    )  # fmt: skip
    net.initialize(X, y, intercepts=[np.zeros(8), np.zeros(1)])
    before = [coef.copy() for coef in net.coefs_]
    net.partial_fit(X, y)
    for coef, old, fan_in in zip(net.coefs_, before, (4, 8), strict=True):
        kept = 1 - 0.01 * 0.1 * np.sqrt(256 / fan_in)
        np.testing.assert_allclose(coef, kept * old, rtol=1e-12)


def test_too_much_decay_counts_the_factor():
    X, y = make_regression()
    net = small(
        BackpropRegressor, weight_decay=1.0, learning_rate_init=0.1,
        learning_rate_factors={"coefs": 20.0},
    )  # fmt: skip
    with pytest.raises(ValueError, match="weight_decay=1 times the learning rate 2 is 2"):
        net.fit(X, y)


@pytest.mark.parametrize(
    ("factors", "error", "message"),
    [
        ({"coef": 1.0}, ValueError, "has the key 'coef', .* Did you mean 'coefs'"),
        ({"coefs": "fan_out"}, TypeError, r"learning_rate_factors\['coefs'\] must be a number"),
        ({"intercepts": "fan_in"}, TypeError, r"\['intercepts'\] must be a number, got 'fan_in'"),
        ({"scale": 0}, ValueError, r"\['scale'\] must be finite and > 0, got 0"),
        ({"scale": np.inf}, ValueError, "must be finite"),
        ([1.0], ValueError, "learning_rate_factors"),
    ],
)
def test_factors_that_cannot_be(factors, error, message):
    X, y = make_regression()
    with pytest.raises(error, match=message):
        small(BackpropRegressor, learning_rate_factors=factors).fit(X, y)


@pytest.mark.parametrize(
    "solver",
    [one for one in OPTIMIZERS if "learning_rate_factors" in SOLVER_RECORDS[one].ignores],
)
def test_other_solvers_ignore_them(solver):
    X, y = make_regression()
    params = [
        small(BackpropRegressor, solver=solver, learning_rate_factors=factors)
        .fit(X, y)
        .network_.params
        for factors in (None, FACTORS)
    ]
    np.testing.assert_array_equal(*params)


def test_groups_must_follow_one_another():
    net = Network([3, 2, 1], random_state=0)
    X, y = np.ones((4, 3)), np.ones(4)
    settings = SOLVER_RECORDS["adam"].settings(BackpropRegressor().get_params())

    def begin(ends, factors):
        ends, factors = np.array(ends, np.intp), np.array(factors)
        moments = np.zeros((2, net.n_params))
        net.trainer(
            net._samples(X, y, None), moments, settings, batch_size=2, n_steps=0,
            groups=(ends, factors),
        )  # fmt: skip

    begin([5, net.n_params], [1.0, 2.0])
    for ends, factors in (
        ([5, 5, net.n_params], [1.0, 2.0, 3.0]),
        ([5, net.n_params + 1], [1.0, 2.0]),
        ([5], [1.0]),
        ([5, net.n_params], [1.0]),
    ):
        with pytest.raises(ValueError, match="groups|elements"):
            begin(ends, factors)
