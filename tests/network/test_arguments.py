"""The arguments of a Network: what is allowed, and how the rest is refused."""

import itertools

import numpy as np
import pytest
from internals import ACTIVATIONS, LOSSES, OUTPUTS, PAIRS, n_targets
from problems import SIZES, make_data
from reference import OBJECTIVES, SMOOTHED_LOSSES, SMOOTHED_OUTPUTS, SMOOTHED_PAIRS

import fastbp

# Those that the twin does not define.
REFUSED_PAIRS = set(itertools.product(OUTPUTS, LOSSES)) - set(OBJECTIVES)


def test_every_allowed_pair_has_a_twin_and_works():
    assert set(PAIRS) == set(OBJECTIVES)
    X, y = make_data()
    for output, loss in PAIRS:
        net = fastbp.Network(SIZES, output_activation=output, loss=loss)
        assert np.isfinite(net.loss(X, y[:, : n_targets(net)]))


@pytest.mark.parametrize("pair", sorted(REFUSED_PAIRS), ids="-".join)
def test_refused_pairs_name_both_and_what_fits(pair):
    output, loss = pair
    with pytest.raises(ValueError) as error:
        fastbp.Network(SIZES, output_activation=output, loss=loss)
    message = str(error.value)
    assert output in message and loss in message
    for fitting in (one for one, other in OBJECTIVES if other == loss):
        assert fitting in message


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("activation", ACTIVATIONS),
        ("output_activation", OUTPUTS),
        ("loss", LOSSES),
        ("reduction", ["mean", "sum"]),
        ("dtype", ["float64", "float32"]),
    ],
)
@pytest.mark.parametrize("value", ["no_such_name", "", None, 3, ["relu"]])
def test_unknown_names_are_refused_with_the_allowed_ones(name, allowed, value):
    with pytest.raises((ValueError, TypeError)) as error:
        fastbp.Network(SIZES, **{name: value})
    message = str(error.value)
    assert name in message
    assert repr(value) in message
    for choice in allowed:
        assert choice in message


@pytest.mark.parametrize("activation", [[], ["relu"], ["relu"] * 3, ()], ids=str)
def test_one_activation_for_each_hidden_layer(activation):
    with pytest.raises(ValueError) as error:
        fastbp.Network(SIZES, activation=activation)
    assert f"activation={list(activation)}" in str(error.value)
    assert "2 hidden layers" in str(error.value)


@pytest.mark.parametrize("name", ["no_such_name", None, 3, ["relu"]])
def test_the_layer_of_an_unknown_activation_is_named(name):
    with pytest.raises(ValueError) as error:
        fastbp.Network(SIZES, activation=["relu", name])
    assert f"activation[1]={name!r}" in str(error.value)
    for choice in ACTIVATIONS:
        assert choice in str(error.value)


@pytest.mark.parametrize(
    "layer_sizes",
    [[], [3], [3, 0], [0, 3], [3, -1, 2], [3, 2.5], [3, "4"], [3, None], 3, None, "34", [[3, 4]]],
)
def test_layer_sizes_must_be_two_or_more_positive_integers(layer_sizes):
    with pytest.raises((ValueError, TypeError), match="layer_sizes"):
        fastbp.Network(layer_sizes)


def test_layer_sizes_too_large_for_any_memory_are_refused():
    for layer_sizes in [2**40, 2**40], [2**31, 2**31, 2**31], [2**62, 4]:
        with pytest.raises((ValueError, MemoryError, OverflowError)):
            fastbp.Network(layer_sizes)


@pytest.mark.parametrize("container", [list, tuple, np.array])
def test_layer_sizes_may_be_any_sequence(container):
    net = fastbp.Network(container(SIZES))
    assert list(net.layer_sizes) == SIZES
    assert net.forward(make_data()[0]).shape == (6, 2)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("l2", -0.1),
        ("l2", np.nan),
        ("l2", np.inf),
        ("l2", "1"),
        ("l2", None),
        ("loss_scale", np.nan),
        ("loss_scale", np.inf),
        ("loss_scale", "1"),
        ("loss_scale", None),
        ("l1", -0.1),
        ("l1", np.nan),
        ("l1", np.inf),
        ("l1", "1"),
        ("l1", None),
        ("label_smoothing", -0.1),
        ("label_smoothing", 1.0),
        ("label_smoothing", np.nan),
        ("label_smoothing", None),
        ("huber_delta", 0.0),
        ("huber_delta", -1.0),
        ("huber_delta", np.inf),
        ("huber_delta", "1"),
        ("quantile", 0.0),
        ("quantile", 1.0),
        ("quantile", np.nan),
        ("quantile", None),
        ("quantile", [0.5, 0.5]),
        ("quantile", [0.9, 0.1]),
        ("quantile", []),
        ("random_state", -1),
        ("random_state", "seed"),
    ],
)
def test_bad_numbers_are_refused_by_name(name, value):
    with pytest.raises((ValueError, TypeError)) as error:
        fastbp.Network(SIZES, **{name: value})
    assert name in str(error.value)
    assert str(value) in str(error.value)


def test_quantiles_are_as_many_as_outputs():
    for quantiles in [0.5], [0.1, 0.5, 0.9]:
        with pytest.raises(ValueError, match=f"{len(quantiles)} entries for 2 outputs") as error:
            fastbp.Network(SIZES, loss="quantile", quantile=quantiles)
        assert str(quantiles) in str(error.value)
    with pytest.raises(ValueError, match=r"quantile\[1\].*1\.5"):
        fastbp.Network(SIZES, loss="quantile", quantile=[0.5, 1.5])


def test_a_column_of_targets_is_compared_with_every_quantile():
    net = fastbp.Network(SIZES, loss="quantile", quantile=[0.1, 0.9], random_state=0)
    X, y = make_data(n_outputs=1)
    expected = net.loss_gradient(X, np.hstack([y, y]))
    for targets in y, y.ravel(), y.tolist():
        actual = net.loss_gradient(X, targets)
        assert actual.loss == expected.loss
        np.testing.assert_array_equal(actual.flat, expected.flat)
    # not where one quantile holds for two outputs
    net = fastbp.Network(SIZES, loss="quantile", quantile=0.1, random_state=0)
    with pytest.raises(ValueError):
        net.loss(X, y)


@pytest.mark.parametrize(
    ("output", "loss"),
    sorted(set(OBJECTIVES) - set(SMOOTHED_PAIRS)),
)
def test_labels_are_smoothed_only_where_that_means_something(output, loss):
    fastbp.Network(SIZES, output_activation=output, loss=loss, label_smoothing=0)
    with pytest.raises(ValueError, match="label_smoothing=0.1") as error:
        fastbp.Network(SIZES, output_activation=output, loss=loss, label_smoothing=0.1)
    for word in output, loss, *SMOOTHED_OUTPUTS, *SMOOTHED_LOSSES:
        assert repr(word) in str(error.value)


def test_everything_but_layer_sizes_is_keyword_only():
    with pytest.raises(TypeError):
        fastbp.Network(SIZES, "tanh")
