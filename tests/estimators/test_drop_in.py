"""scikit-learn user code runs with only the class names changed, and prints the same numbers."""

import inspect
import re
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest
import user_code
from problems import CUT_SHORT, OLD_LBFGS, RAGGED
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.utils import TransformerTags, get_tags

from fastbp import BackpropClassifier, BackpropRegressor

pytestmark = [CUT_SHORT, OLD_LBFGS, RAGGED]

PAIRS = [(BackpropClassifier, MLPClassifier), (BackpropRegressor, MLPRegressor)]
PAIR_IDS = ["classifier", "regressor"]

# Functions that load data do not take the classes.
PROGRAMS = [
    function
    for _, function in inspect.getmembers(user_code, inspect.isfunction)
    if list(inspect.signature(function).parameters) == ["Classifier", "Regressor"]
]


def assert_same(ours, theirs):
    """Same structure and text; numbers agree to the rounding of a few dozen epochs."""
    if isinstance(theirs, dict):
        assert ours.keys() == theirs.keys()
        for key in theirs:
            assert_same(ours[key], theirs[key])
    elif isinstance(theirs, list | tuple):
        assert len(ours) == len(theirs)
        for our_part, their_part in zip(ours, theirs, strict=True):
            assert_same(our_part, their_part)
    elif np.asarray(theirs).dtype.kind == "f":
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6)
    else:
        np.testing.assert_array_equal(ours, theirs)


# They fit tens of models, most of the time scikit-learn's.
LONG_PROGRAMS = {
    user_code.bagging,
    user_code.boosting,
    user_code.cross_validation_scores,
    user_code.feature_selection,
    user_code.grid_search,
    user_code.learning_curves,
    user_code.one_against_the_rest,
    user_code.randomized_search_in_a_pipeline,
    user_code.stacking,
    user_code.validation_curves,
}


@pytest.mark.parametrize(
    "program",
    [
        pytest.param(one, id=one.__name__, marks=[pytest.mark.slow] if one in LONG_PROGRAMS else [])
        for one in PROGRAMS
    ],
)
def test_user_code(program):
    theirs = program(MLPClassifier, MLPRegressor)
    ours = program(BackpropClassifier, BackpropRegressor)
    assert_same(ours, theirs)


def test_all_programs_are_found():
    defined = [
        function
        for _, function in inspect.getmembers(user_code, inspect.isfunction)
        if function.__module__ == "user_code"
    ]
    assert len(PROGRAMS) == len(defined) - len([user_code.iris, user_code.diabetes])


def constructor_parameters(cls):
    parameters = inspect.signature(cls.__init__).parameters
    return {name: one for name, one in parameters.items() if name != "self"}


@pytest.mark.parametrize(("ours", "theirs"), PAIRS, ids=PAIR_IDS)
def test_every_parameter_with_its_default(ours, theirs):
    our_parameters = constructor_parameters(ours)
    for name, parameter in constructor_parameters(theirs).items():
        assert name in our_parameters
        assert our_parameters[name].default == parameter.default, name
    assert ours().get_params() == {name: one.default for name, one in our_parameters.items()}


@pytest.mark.parametrize(("ours", "theirs"), PAIRS, ids=PAIR_IDS)
def test_only_the_documented_parameters_are_new(ours, theirs):
    """A list by hand: what scikit-learn's users do not know is never added by accident."""
    new = constructor_parameters(ours).keys() - constructor_parameters(theirs).keys()
    expected = {
        "output_activation",
        "l1_ratio",
        "weight_decay",
        "dropout",
        "input_dropout",
        "max_grad_norm",
        "decay_rate",
        "warmup_epochs",
        "max_time",
        "scoring",
        "fit_intercept",
        "front",
        "n_periodic",
        "learning_rate_factors",
        "n_threads",
        "checkpoint",
        "checkpoint_interval",
    }
    # the loss of scikit-learn's classifier is fixed
    of_classifiers = {"loss", "label_smoothing", "class_weight"}
    of_regressors = {"huber_delta", "quantile"}
    own = of_classifiers if ours is BackpropClassifier else of_regressors
    assert new == expected | own
    for name in new:
        assert re.search(rf"^ *{name} : ", ours.__doc__, re.MULTILINE), name


@pytest.mark.parametrize("cls", [BackpropClassifier, BackpropRegressor])
def test_only_hidden_layer_sizes_is_positional(cls):
    """In scikit-learn's regressor `loss` comes first; in both of ours the layers do."""
    parameters = constructor_parameters(cls)
    positional = [
        name for name, one in parameters.items() if one.kind is not inspect.Parameter.KEYWORD_ONLY
    ]
    assert positional == ["hidden_layer_sizes"]
    assert cls((3, 2)).hidden_layer_sizes == (3, 2)
    with pytest.raises(TypeError):
        cls((3, 2), "tanh")


def public_names(cls):
    estimator = cls()
    # older versions of scikit-learn also list what is hidden before fit
    return {name for name in dir(cls) if not name.startswith("_") and hasattr(estimator, name)}


def names_of(arguments, *, by_name_only):
    return [
        name
        for name, one in arguments.items()
        if (one.kind is inspect.Parameter.KEYWORD_ONLY) == by_name_only
    ]


@pytest.mark.parametrize(("ours", "theirs"), PAIRS, ids=PAIR_IDS)
def test_every_public_method_with_its_arguments(ours, theirs):
    """New arguments are keyword-only and optional."""
    names = public_names(theirs)
    assert "partial_fit" in names and "predict" in names
    for name in names:
        assert hasattr(ours(), name) == hasattr(theirs(), name), name
        their_method = getattr(theirs(), name)
        if not callable(their_method):
            continue
        their_arguments = inspect.signature(their_method).parameters
        our_arguments = inspect.signature(getattr(ours(), name)).parameters
        by_position = names_of(their_arguments, by_name_only=False)
        assert names_of(our_arguments, by_name_only=False) == by_position, name
        by_name = names_of(their_arguments, by_name_only=True)
        assert set(by_name) <= set(names_of(our_arguments, by_name_only=True)), name
        for argument, one in their_arguments.items():
            assert our_arguments[argument].default == one.default, (name, argument)
        for argument in our_arguments.keys() - their_arguments.keys():
            assert our_arguments[argument].default is not inspect.Parameter.empty, (name, argument)


@pytest.mark.parametrize(("ours", "theirs"), PAIRS, ids=PAIR_IDS)
def test_only_the_documented_arguments_are_new(ours, theirs):
    new_arguments = {"X_val", "y_val", "sample_weight_val"}
    for name in public_names(theirs):
        expected = new_arguments if name.endswith(("fit", "fit_request")) else set()
        if name == "predict" and ours is BackpropRegressor:
            expected = {"return_std"}
        their_arguments, our_arguments = (
            inspect.signature(getattr(cls(), name)).parameters.keys() for cls in (theirs, ours)
        )
        new = our_arguments - their_arguments
        assert new == expected, name


@pytest.mark.parametrize(("ours", "theirs"), PAIRS, ids=PAIR_IDS)
def test_only_the_documented_methods_are_new(ours, theirs):
    new = public_names(ours) - public_names(theirs)
    expected = {"initialize", "transform", "fit_batches"}
    # a transformer has these, and from version 1.9 on scikit-learn has callbacks
    expected |= {"fit_transform", "get_feature_names_out", "set_output"}
    # by its return_std, which scikit-learn takes for something to be routed
    expected |= {"set_predict_request"} if ours is BackpropRegressor else set()
    assert new == (expected | {"set_callbacks"} if find_spec("sklearn.callback") else expected)


def fitted_attributes(estimator):
    return {
        name
        for name in dir(estimator)
        if name.endswith("_") and not name.startswith("_") and hasattr(estimator, name)
    }


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize(("ours", "theirs"), PAIRS, ids=PAIR_IDS)
def test_every_fitted_attribute(ours, theirs, solver, early_stopping):
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(40, 3)), columns=["a", "b", "c"])
    y = (X["a"] > 0).astype(int)
    params = {"solver": solver, "early_stopping": early_stopping, "max_iter": 4, "random_state": 0}
    our_names, their_names = (
        fitted_attributes(cls(hidden_layer_sizes=(3,), **params).fit(X, y))
        for cls in (ours, theirs)
    )
    assert {"coefs_", "feature_names_in_", "n_iter_", "loss_"} <= their_names
    # the curves are kept for lbfgs too
    curves = {"loss_curve_", "best_loss_", "validation_scores_", "best_validation_score_"}
    assert their_names <= our_names
    assert our_names - their_names - curves == {"network_", "validation_loss_curve_"}


@pytest.mark.parametrize(("ours", "theirs"), PAIRS, ids=PAIR_IDS)
def test_no_fitted_attribute_before_fit(ours, theirs):
    assert fitted_attributes(ours()) == fitted_attributes(theirs()) == set()


@pytest.mark.parametrize("fitted", [False, True], ids=["unfitted", "fitted"])
@pytest.mark.parametrize(("ours", "theirs"), PAIRS, ids=PAIR_IDS)
def test_same_tags(ours, theirs, fitted):
    X = np.random.default_rng(0).normal(size=(20, 3))
    y = (X[:, 0] > 0).astype(int)
    estimators = [cls(hidden_layer_sizes=(2,), max_iter=2) for cls in (ours, theirs)]
    if fitted:
        for estimator in estimators:
            estimator.fit(X, y)
    our_tags, their_tags = map(get_tags, estimators)
    if ours is BackpropRegressor:
        # both take several targets; scikit-learn's forgets to say so
        assert our_tags.target_tags.multi_output
        our_tags.target_tags.multi_output = their_tags.target_tags.multi_output
    # scikit-learn's do not transform
    assert their_tags.transformer_tags is None
    assert our_tags.transformer_tags == TransformerTags(preserves_dtype=["float64", "float32"])
    our_tags.transformer_tags = None
    assert our_tags == their_tags


@pytest.mark.parametrize("cls", [BackpropClassifier, BackpropRegressor])
def test_partial_fit_hides_from_lbfgs(cls):
    """scikit-learn's regressor shows the method anyway, and it runs a whole fit."""
    assert hasattr(cls(solver="adam"), "partial_fit")
    assert hasattr(cls(solver="sgd"), "partial_fit")
    with pytest.raises(AttributeError, match="partial_fit"):
        cls(solver="lbfgs").partial_fit  # noqa: B018
