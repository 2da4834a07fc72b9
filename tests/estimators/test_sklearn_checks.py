"""scikit-learn's own checks of an estimator, in several settings, with no expected failures."""

import pytest
from estimator_checks import function_of, is_about, run
from problems import CUT_SHORT
from sklearn.utils.estimator_checks import estimator_checks_generator
from torture import times

from fastbp import BackpropClassifier, BackpropRegressor

pytestmark = CUT_SHORT

SETTINGS = [
    {},
    {"solver": "sgd"},
    {"solver": "sgd", "learning_rate": "adaptive", "nesterovs_momentum": False},
    {"hidden_layer_sizes": (), "learning_rate_init": 0.05},
    {"hidden_layer_sizes": (), "solver": "lbfgs"},
    {"hidden_layer_sizes": (12, 8), "activation": ("tanh", "logistic"), "fit_intercept": False},
    {"activation": "logistic", "learning_rate_init": 0.01},
    {"solver": "rprop", "activation": "silu"},
    {
        "activation": "gelu",
        "learning_rate": "cosine",
        "learning_rate_init": 0.01,
        "weight_decay": 0.01,
        "l1_ratio": 0.5,
        "max_grad_norm": 1.0,
    },
]
CLASSIFIER_SETTINGS = [
    # With next to no penalty multi-label probabilities reach 1.0, which one of the checks forbids,
    # to scikit-learn's MLPClassifier too. Another compares hidden layers of weighted and of
    # repeated samples to 1e-7: the rounding in which these differ grows from iteration to
    # iteration, along relu's kinks, until it is 1e-8 in those that a smaller tol asks for.
    {"solver": "lbfgs", "alpha": 0.1, "tol": 1e-3},
    {"loss": "squared_error", "learning_rate_init": 0.01},
    {"loss": "squared_error", "output_activation": "identity"},
    {"output_activation": "logistic"},
    {"solver": "levenberg_marquardt", "loss": "squared_error", "hidden_layer_sizes": (5,)},
    {"label_smoothing": 0.1},
]
REGRESSOR_SETTINGS = [
    {"solver": "lbfgs"},
    # Not for classifiers: an odd function of X gives x and -x the opposite classes, but a check of
    # class_weight wants one class almost everywhere.
    {"hidden_layer_sizes": (12, 8), "activation": "tanh", "fit_intercept": False},
    {"solver": "levenberg_marquardt", "hidden_layer_sizes": (5,), "activation": "softplus"},
    {"loss": "huber", "learning_rate_init": 0.01},
    {"loss": "absolute_error", "learning_rate_init": 0.01, "learning_rate": "one_cycle"},
    {"loss": "quantile", "learning_rate_init": 0.01},
]


# In make test a check runs for the defaults and for each N_TURNS-th of the other settings, in turn;
# in make torture for all.
N_TURNS = times(5, 1)


def checks(cls, settings):
    """Two cases of each check: the first is for one setting, in turn, the other for more.

    So `make check` runs every check, and some checks of every setting.
    """
    cases = {}
    for setting in settings:
        for estimator, check in estimator_checks_generator(cls(**setting)):
            if is_about(check, estimator):
                cases.setdefault(name_of(check), []).append((estimator, check))
    params = []
    for number, (name, found) in enumerate(cases.items()):
        first = number % len(found)
        more = {0, *range(number % N_TURNS, len(found), N_TURNS)} - {first}
        params.append(pytest.param([found[first]], id=name))
        if more:
            more_cases = [found[k] for k in sorted(more)]
            params.append(pytest.param(more_cases, id=f"{name}-more", marks=pytest.mark.grid))
    return params


def name_of(check):
    """The function's name and its arguments."""
    words = [f"{name}={value}" for name, value in check.keywords.items()]
    return ",".join([function_of(check).__name__, *words])


@pytest.mark.parametrize("cases", checks(BackpropClassifier, SETTINGS + CLASSIFIER_SETTINGS))
def test_classifier(cases):
    run(cases)


@pytest.mark.parametrize("cases", checks(BackpropRegressor, SETTINGS + REGRESSOR_SETTINGS))
def test_regressor(cases):
    run(cases)
