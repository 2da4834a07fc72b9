"""The records of losses and outputs: they are the kernels', and what they say is checked."""

import itertools

import numpy as np
import pytest

from fastbp import BackpropClassifier, BackpropRegressor, Network, _kernels
from fastbp.data import Targets
from fastbp.objective import LOSSES, OUTPUTS, Range, check_pair, check_targets, default_output

PAIRS = list(itertools.product(LOSSES, OUTPUTS))


def test_the_records_have_the_names_of_the_kernels():
    assert list(LOSSES) == list(_kernels.core.LOSSES)
    assert list(OUTPUTS) == list(_kernels.core.OUTPUTS)


@pytest.mark.parametrize("loss, output", PAIRS)
def test_undefined_pairs_are_refused_with_their_reason(loss, output):
    reason = LOSSES[loss].undefined_for.get(output)
    if reason is None:
        check_pair(loss, output)
        Network([2, 2], loss=loss, output_activation=output)
        return
    with pytest.raises(ValueError, match=f"loss='{loss}' is undefined .*: {reason}; use '"):
        Network([2, 2], loss=loss, output_activation=output)


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_has_an_output_and_an_estimator(loss):
    record = LOSSES[loss]
    check_pair(loss, default_output(loss))
    assert record.of_classes or record.of_numbers
    for cls, has_it in (
        (BackpropClassifier, record.of_classes),
        (BackpropRegressor, record.of_numbers),
    ):
        estimator = cls((2,), loss=loss, solver="lbfgs", max_iter=1, random_state=0)
        if has_it:
            y = np.arange(1, 7) % 2 if cls is BackpropClassifier else np.arange(1.0, 7.0)
            estimator.initialize(np.eye(6), y)
        else:
            with pytest.raises(ValueError, match="The 'loss' parameter"):
                estimator.fit(np.eye(6), np.arange(6) % 2)


@pytest.mark.parametrize(
    "allowed, inside, outside, words",
    [
        (Range(0, 1), [0.0, 0.5, 1.0], [-0.1, 1.1], "between 0 and 1"),
        (Range(0), [0.0, 1e300], [-1e-300], ">= 0"),
        (Range(0, above_lowest=True), [1e-300, 7.0], [0.0, -1.0], "> 0"),
    ],
)
def test_ranges(allowed, inside, outside, words):
    assert str(allowed) == words
    assert allowed.first_outside(np.array(inside)) is None
    for value in outside:
        assert allowed.first_outside(np.array([*inside, value, 99.0 * value])) == value


@pytest.mark.parametrize("loss, output", PAIRS)
def test_targets_that_a_loss_or_an_output_cannot_have_are_refused(loss, output):
    """The loss's own range by Network and the estimators, the output's by the estimators alone."""
    if output in LOSSES[loss].undefined_for:
        return
    net = Network([1, 1 + LOSSES[loss].n_extra], loss=loss, output_activation=output)
    for value in (-1.0, 0.0, 0.5, 1.0, 2.0):
        y = np.array([[0.5], [value]])
        of_loss = LOSSES[loss].targets.first_outside(y) is not None
        of_output = OUTPUTS[output].range.first_outside(y) is not None
        if of_loss:
            with pytest.raises(ValueError, match=f"loss='{loss}' needs targets .* value {value}"):
                net.loss(np.ones((2, 1)), y)
        else:
            assert np.isfinite(net.loss(np.ones((2, 1)), y))
        if of_loss or of_output:
            with pytest.raises(ValueError, match=f"needs targets .* the value {value}"):
                check_targets(Targets.matrix(y), loss, output)
        else:
            check_targets(Targets.matrix(y), loss, output)


def test_counts_above_1_are_refused_where_the_output_is_a_probability():
    model = BackpropRegressor((2,), loss="poisson", output_activation="logistic")
    with pytest.raises(ValueError, match="output_activation='logistic' needs .* the value 2.0"):
        model.fit(np.eye(3), [0.0, 1.0, 2.0])
