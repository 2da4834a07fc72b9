"""scikit-learn's own checks of the transformers, with no expected failures."""

import pytest
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
# Of arrays that are none of NumPy's: where they are not on, the check does nothing but say so.
LEFT_OUT = "check_array_api_input"


def checks():
    """Every check of every transformer. Each check is unmarked for one transformer, in turn."""
    for i, transformer in enumerate(TRANSFORMERS):
        for i_check, (estimator, check) in enumerate(estimator_checks_generator(transformer)):
            name = getattr(check, "func", check).__name__
            if name != LEFT_OUT:
                marks = [] if i_check % len(TRANSFORMERS) == i else [pytest.mark.grid]
                yield pytest.param(estimator, check, id=f"{transformer}-{name}", marks=marks)


@pytest.mark.parametrize(("estimator", "check"), list(checks()))
def test_transformer(estimator, check):
    check(estimator)
