"""Fronts of a network: against the twin, against differences, and what they are not made for."""

import copy
import pickle

import numpy as np
import pytest
from agreement import assert_all_agree, random_problem, random_weights
from internals import ACTIVATIONS, BUILDS, DTYPES, PAIRS
from problems import GRADIENT_BOUND
from scipy import sparse

from fastbp import Network, check_gradient

FRONTS = [("scale", None), ("periodic", None), ("periodic", 2), ("periodic", 0)]


@pytest.mark.parametrize("front", FRONTS)
def test_everything_agrees_with_the_twin(front):
    """For every objective, with and without hidden layers, intercepts, penalties and weights."""
    rng = np.random.default_rng(0)
    for index, pair in enumerate(PAIRS):
        depth = index % 3
        problem = random_problem(
            rng,
            [5, 17, 9][: depth + 1] + [3],
            37,
            *pair,
            dtype="float32",
            activation=ACTIVATIONS[index % len(ACTIVATIONS)],
            fit_intercept=index % 4 > 0,
            reduction="sum" if index % 5 == 0 else "mean",
            l2=[0.0, 0.01][index % 2],
            front=front[0],
            n_periodic=front[1],
        )
        weights = random_weights(rng, len(problem[2]), "float32") if index % 2 else None
        assert_all_agree(*problem, weights, builds=BUILDS)


@pytest.mark.parametrize("n_samples", [1, 255, 257, 700])
def test_rows_of_several_blocks_and_chunks(n_samples):
    rng = np.random.default_rng(n_samples)
    problem = random_problem(
        rng, (4, 7, 2), n_samples, "softmax", "log_loss", dtype="float32", activation="tanh",
        front="periodic", n_periodic=3,
    )  # fmt: skip
    assert_all_agree(*problem, None, builds=BUILDS, max_entries=10**6)


@pytest.mark.parametrize("front", FRONTS)
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_the_gradient_is_that_of_differences(front, fit_intercept):
    rng = np.random.default_rng(0)
    net = Network(
        [4, 6, 2], activation="tanh", l2=0.1, l1=0.01, fit_intercept=fit_intercept,
        front=front[0], n_periodic=front[1], random_state=0,
    )  # fmt: skip
    report = check_gradient(net, rng.normal(size=(9, 4)), rng.normal(size=(9, 2)))
    assert report.worst < GRADIENT_BOUND
    names = [layer.name for layer in report.layers]
    assert "front scale" in names
    n_periodic = {"scale": 0, "periodic": 4}[front[0]] if front[1] is None else front[1]
    assert ("front frequencies" in names) == (n_periodic > 0)


def test_the_parameters_of_a_front():
    net = Network([5, 7, 1], front="periodic", n_periodic=2, random_state=0)
    assert [array.shape for array in net.front_params.values()] == [
        (11,), (2, 16), (2, 16), (2, 16, 3), (2, 3),
    ]  # fmt: skip
    assert net.coefs[0].shape == (11, 7)
    assert net.n_params == 11 * 7 + 7 + 7 + 1 + 11 + 2 * (16 + 16 + 48 + 3)
    assert (net.front_params["scale"] == 1).all()
    assert abs(net.front_params["frequencies"]).max() < 0.5
    net.front_params["intercepts"][...] = 3.0
    assert (net.params[-6:] == 3).all()
    assert Network([5, 7, 1]).front_params == {}
    scaled, plain = (
        Network([5, 7, 1], front="scale", random_state=0),
        Network([5, 7, 1], random_state=0),
    )
    np.testing.assert_array_equal(scaled.params[:-5], plain.params)
    X = np.random.default_rng(0).normal(size=(9, 5))
    np.testing.assert_array_equal(scaled.forward(X), plain.forward(X))


@pytest.mark.parametrize("dtype", DTYPES)
def test_inputs_far_from_zero(dtype):
    """Cosines of thousands of turns are as exact as the product of input and frequency."""
    net = Network([1, 1], front="periodic", dtype=dtype, random_state=0)
    front = net.front_params
    for name in ("frequencies", "phases", "weights", "intercepts"):
        front[name][...] = 0
    front["weights"][0, 0, 0] = 1
    front["scale"][0] = 0
    net.coefs[0][...] = 1
    net.intercepts[0][...] = 0
    front["frequencies"][0, 0] = 1
    turns = np.array([0, 0.125, 0.25, 1 / 3, 0.5, -0.75, 1000.25, -3000.5, 4095.125, 1e5 + 0.5])
    found = net.forward(turns.astype(dtype)[:, None]).ravel()
    exact = np.cos(2 * np.pi * np.fmod(turns.astype(dtype).astype(float), 1))
    np.testing.assert_allclose(found, exact, atol=4 * np.finfo(dtype).eps)
    for large in 1e20, -3e30, 1e37:
        assert abs(net.forward(np.full((1, 1), large, dtype))[0, 0]) <= 1 + np.finfo(dtype).eps


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_copies(copied):
    net = Network([3, 4, 1], front="periodic", n_periodic=1, random_state=0)
    twin = copied(net)
    assert repr(twin) == repr(net)
    assert "front='periodic', n_periodic=1" in repr(net)
    np.testing.assert_array_equal(twin.params, net.params)
    twin.front_params["scale"][...] = 7
    assert (net.front_params["scale"] == 1).all()
    single = net.copy(dtype="float32")
    assert single.front_params["weights"].dtype == np.float32


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"front": "scales"}, ValueError, "front='scales' is not one of .* Did you mean 'scale'"),
        ({"front": 1}, ValueError, "front=1 is not one of 'scale', 'periodic'"),
        ({"front": "periodic", "n_periodic": 4}, ValueError, "n_periodic=4 is more than the 3"),
        ({"front": "periodic", "n_periodic": -1}, ValueError, "n_periodic must be >= 0, got -1"),
        ({"front": "periodic", "n_periodic": 1.0}, TypeError, "n_periodic must be an integer"),
        ({"front": "periodic", "n_periodic": True}, TypeError, "n_periodic must be an integer"),
    ],
)
def test_arguments_that_cannot_be(arguments, error, message):
    with pytest.raises(error, match=message):
        Network([3, 2, 1], **arguments)


def test_a_front_needs_dense_inputs():
    net = Network([3, 2, 1], front="scale", random_state=0)
    X = sparse.csr_matrix(np.eye(3))
    for call in (
        net.forward,
        net.activations,
        net.jacobian,
        net.input_jacobian,
        lambda X: net.loss(X, np.ones(3)),
        lambda X: net.forward_checked(X),
    ):
        with pytest.raises(ValueError, match=r"front='scale' needs a dense X.*toarray"):
            call(X)


def test_a_copy_keeps_its_front():
    net = Network([3, 2, 1], front="scale", random_state=0)
    with pytest.raises(ValueError, match="front=None needs other parameters .* front='scale'"):
        net.copy(front=None)
    with pytest.raises(ValueError, match="n_periodic=2 needs other parameters"):
        net.copy(n_periodic=2)
