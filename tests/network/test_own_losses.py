"""A Network with a loss of the user's own."""

import numpy as np
import pytest
from own_losses import Cauchy
from problems import SIZES, make_data

import fastbp


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_users_loss_is_given_arrays_that_are_its_own(build, dtype):
    given = []

    class Recorder(Cauchy):
        def loss(self, y, outputs):
            given.append((y, outputs))
            return super().loss(y, outputs)

        def gradient(self, y, outputs):
            given.append((y, outputs))
            return super().gradient(y, outputs)

    net = fastbp.Network(SIZES, loss=Recorder(), dtype=dtype, random_state=0)
    X, y = make_data()
    net.loss_gradient(X, y), net.per_sample_gradients(X, y), net.input_gradient(X, y)
    expected = net.forward(X)
    net.params *= 2
    net.loss(2 * X, 1 - y)
    assert len(given) == 5
    for targets, outputs in given:
        for array in targets, outputs:
            assert array.shape == (6, 2) and array.dtype == dtype
            assert not array.flags.writeable
    for targets, outputs in given[:-1]:  # kept, and not written over
        np.testing.assert_array_equal(targets, y.astype(dtype))
        np.testing.assert_array_equal(outputs, expected)


@pytest.mark.parametrize("method", ["loss", "gradient"])
@pytest.mark.parametrize("error", [ZeroDivisionError("by the user"), KeyboardInterrupt()], ids=repr)
def test_an_error_of_a_users_loss_passes_through(build, method, error):
    net = fastbp.Network(SIZES, loss=Cauchy(), random_state=0)
    X, y = make_data()
    expected = net.loss_gradient(X, y)

    def fail(y, outputs):
        raise error

    setattr(net.loss_name, method, fail)
    functions = [net.loss_gradient]
    functions += [net.loss] if method == "loss" else [net.per_sample_gradients, net.input_gradient]
    for function in functions:
        with pytest.raises(type(error)) as caught:
            function(X, y)
        assert caught.value is error
    delattr(net.loss_name, method)
    assert net.loss(X, y) == expected.loss
    np.testing.assert_array_equal(net.loss_gradient(X, y).flat, expected.flat)


@pytest.mark.parametrize(
    "returned",
    [
        None,
        0.5,
        np.zeros(5),
        np.zeros((6, 1)),
        np.zeros((2, 6)),
        np.zeros((6, 2, 1)),
        np.zeros((6, 2), complex),
        np.full((6, 2), "a"),
        np.zeros((6, 2), object),
    ],
    ids=repr,
)
@pytest.mark.parametrize("method", ["loss", "gradient"])
def test_what_a_users_loss_returns_is_checked(build, method, returned):
    net = fastbp.Network(SIZES, loss=Cauchy(), random_state=0)
    setattr(net.loss_name, method, lambda y, outputs: returned)
    with pytest.raises(ValueError, match=rf"{method}\(\) must return"):
        net.loss_gradient(*make_data())


@pytest.mark.parametrize("convert", [np.asarray, np.asfortranarray, np.ndarray.tolist])
def test_a_users_loss_may_return_any_numbers(build, convert):
    class Squared:
        def loss(self, y, outputs):
            return convert(((outputs - y) ** 2).sum(axis=1))

        def gradient(self, y, outputs):
            return convert(2 * (outputs - y))

    net = fastbp.Network(SIZES, loss=Squared(), random_state=0)
    same = fastbp.Network(SIZES, loss="squared_error", loss_scale=2, random_state=0)
    actual, expected = net.loss_gradient(*make_data()), same.loss_gradient(*make_data())
    assert actual.loss == pytest.approx(expected.loss, rel=1e-14)
    np.testing.assert_allclose(actual.flat, expected.flat, rtol=1e-12)


class WithoutGradient:
    def loss(self, y, outputs):
        return np.zeros(len(y))


@pytest.mark.parametrize(
    "loss", [WithoutGradient(), Cauchy, len, 3], ids=["object", "class", "function", "int"]
)
def test_a_users_loss_is_an_object_with_two_methods(loss):
    with pytest.raises(TypeError) as error:
        fastbp.Network(SIZES, loss=loss)
    for word in repr(loss), "loss(y, outputs)", "gradient(y, outputs)":
        assert word in str(error.value)
