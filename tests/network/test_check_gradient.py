"""check_gradient finds a wrong gradient, and says where."""

import numpy as np
import pytest
from problems import GRADIENT_BOUND

import fastbp


def small_network(**arguments):
    net = fastbp.Network([3, 4, 5, 2], activation="tanh", random_state=0, **arguments)
    rng = np.random.default_rng(0)
    return net, rng.normal(size=(7, 3)), rng.normal(size=(7, 2))


def perturb(monkeypatch, part, layer, relative_error):
    """Make Network.loss_gradient wrong in one component of the coefs or intercepts of a layer."""
    loss_gradient = fastbp.Network.loss_gradient

    def wrong_loss_gradient(self, *args, **kwargs):
        gradient = loss_gradient(self, *args, **kwargs)
        gradients = getattr(gradient, part)[layer]
        largest = np.argmax(np.abs(gradients))
        gradients.ravel()[largest] *= 1 + relative_error
        return gradient

    monkeypatch.setattr(fastbp.Network, "loss_gradient", wrong_loss_gradient)


@pytest.mark.parametrize("relative_error", [-1.0, -2.0, 1e-4, 3e-5])
@pytest.mark.parametrize("layer", range(3))
@pytest.mark.parametrize("part", ["coefs", "intercepts"])
def test_check_gradient_finds_a_wrong_component(monkeypatch, part, layer, relative_error):
    """A forgotten term, a wrong sign, a slightly wrong factor; the report says in which layer."""
    net, X, y = small_network()
    assert fastbp.check_gradient(net, X, y).passed
    perturb(monkeypatch, part, layer, relative_error)
    report = fastbp.check_gradient(net, X, y)
    assert not report.passed
    assert report.worst > GRADIENT_BOUND
    wrong = [check for check in report.layers if check.relative_error > GRADIENT_BOUND]
    assert [check.name for check in wrong] == [f"{part}[{layer}]"]
    # The report has the index and both values of the wrong component.
    right = getattr(net.loss_gradient(X, y), part)[layer][wrong[0].index]
    assert wrong[0].analytic == right  # net.loss_gradient is still the wrong one
    assert wrong[0].numeric * (1 + relative_error) == pytest.approx(wrong[0].analytic, rel=1e-6)
    marked = [line for line in str(report).splitlines() if "wrong" in line]
    assert len(marked) == 1 and f"{part}[{layer}]" in marked[0]
    assert "FAILED" in str(report)


def test_check_gradient_obeys_rtol(monkeypatch):
    net, X, y = small_network()
    perturb(monkeypatch, "coefs", 0, 1e-4)
    assert not fastbp.check_gradient(net, X, y, rtol=1e-6).passed
    assert fastbp.check_gradient(net, X, y, rtol=1e-2).passed


def test_check_gradient_lists_every_layer():
    for fit_intercept in (True, False):
        net, X, y = small_network(fit_intercept=fit_intercept)
        report = fastbp.check_gradient(net, X, y)
        expected = [f"coefs[{layer}]" for layer in range(3)]
        expected += [f"intercepts[{layer}]" for layer in range(3 if fit_intercept else 0)]
        assert [check.name for check in report.layers] == expected
        assert all(name in str(report) for name in expected)
        assert "passed" in str(report)
        assert report.worst == max(check.relative_error for check in report.layers)


def test_check_gradient_refuses_float32():
    net, X, y = small_network(dtype="float32")
    with pytest.raises(ValueError, match="float64"):
        fastbp.check_gradient(net, X, y)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_check_gradient_refuses_what_is_no_network():
    net, X, y = small_network()
    fitted = fastbp.BackpropRegressor((2,), max_iter=1).fit(X, y)
    assert fastbp.check_gradient(fitted.network_, X, y).passed
    usual = r"as check_gradient\(net, X, y\) takes it"
    for arguments, said in (
        ((fitted, X, y), "got BackpropRegressor; pass model.network_"),
        ((fastbp.BackpropRegressor(), X, y), f"got BackpropRegressor, {usual}"),
        ((X, y, net), f"got ndarray, {usual}"),
        ((None, X, y), f"got NoneType, {usual}"),
    ):
        with pytest.raises(TypeError, match=f"net must be a Network, {said}"):
            fastbp.check_gradient(*arguments)


def test_a_network_at_its_minimum_passes():
    """There the gradient is smaller than the rounding of a difference quotient."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 3))
    y = X[:, 0] + rng.normal(size=50)
    net = fastbp.Network([3, 1], random_state=0)
    net.params = np.append(*np.split(np.linalg.lstsq(np.c_[X, np.ones(50)], y, rcond=None)[0], [3]))
    assert np.abs(net.loss_gradient(X, y).flat).max() < 1e-12
    assert fastbp.check_gradient(net, X, y).passed
