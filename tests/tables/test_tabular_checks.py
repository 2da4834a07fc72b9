"""scikit-learn's own checks of the tabular estimators."""

import pytest
from estimator_checks import LEFT_OUT, function_of
from sklearn.utils.estimator_checks import estimator_checks_generator
from torture import times

from fastbp import TabularClassifier, TabularRegressor

# A row of weight 2 counts twice in the loss. But two rows are dealt out to folds one by one, have
# dropout masks of their own and move quantiles. scikit-learn expects this failure of its own
# ensembles on random parts of the rows.
EXPECTED = {
    "check_sample_weight_equivalence_on_dense_data": "folds, dropout and bins see rows, not weights"
}
# these fit ensembles of the whole size, several times
SLOW = (
    "check_class_weight_classifiers",
    "check_classifier_data_not_an_array",
    "check_classifiers_classes",
    "check_classifiers_train",
    "check_dtype_object",
    "check_estimators_dtypes",
    "check_regressor_data_not_an_array",
    "check_regressors_train",
)


def checks(cls, others):
    """Those of one class. A check that is one of the others, too, runs for one of both, in turn.

    The estimators share all that most checks are about; make torture runs them for both.
    """
    found = [*estimator_checks_generator(cls(), expected_failed_checks=EXPECTED)]
    names = [function_of(check).__name__ for _, check in found]
    other_names = [function_of(check).__name__ for _, check in estimator_checks_generator(others())]
    shared = [name for name in dict.fromkeys(names) if name in other_names]
    left = sorted(shared)[cls is TabularClassifier :: 2]
    left_out = (*EXPECTED, *LEFT_OUT, *times(left, []))
    for name, (estimator, check) in zip(names, found, strict=True):
        if name not in left_out:
            marks = [pytest.mark.slow] if name in SLOW else []
            yield pytest.param(estimator, check, id=f"{name}-{len(str(check))}", marks=marks)


@pytest.mark.parametrize(
    ("estimator", "check"), [*checks(TabularClassifier, others=TabularRegressor)]
)
def test_classifier(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    ("estimator", "check"), [*checks(TabularRegressor, others=TabularClassifier)]
)
def test_regressor(estimator, check):
    check(estimator)
