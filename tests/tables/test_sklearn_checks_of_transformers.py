"""scikit-learn's own checks of the transformers, with no expected failures."""

import pytest
from estimator_checks import LEFT_OUT, function_of, run
from internals import TableEncoder
from sklearn.utils.estimator_checks import estimator_checks_generator

from fastbp import PiecewiseLinearEncoder, RobustSmoothScaler

TRANSFORMERS = [
    RobustSmoothScaler(),
    PiecewiseLinearEncoder(),
    PiecewiseLinearEncoder(3, edges="tree"),
    PiecewiseLinearEncoder(1, edges="tree"),
    TableEncoder(),
    TableEncoder(n_bins=4),
]


def checks():
    """Every check with the transformers that it is for."""
    cases = {}
    for transformer in TRANSFORMERS:
        for estimator, check in estimator_checks_generator(transformer):
            name = function_of(check).__name__
            if name not in LEFT_OUT:
                cases.setdefault(name, []).append((estimator, check))
    return cases


CHECKS = checks()


@pytest.mark.parametrize("name", CHECKS)
def test_a_transformer(name):
    """One of them, in turn."""
    number = [*CHECKS].index(name)
    run([CHECKS[name][number % len(CHECKS[name])]])


@pytest.mark.grid(covering="test_a_transformer")
@pytest.mark.parametrize("name", CHECKS)
def test_the_other_transformers(name):
    number = [*CHECKS].index(name) % len(CHECKS[name])
    run(CHECKS[name][:number] + CHECKS[name][number + 1 :])
