"""Parameters, docstrings, types and fitted attributes of the tabular estimators say the same."""

import inspect
import re
from typing import get_args, get_type_hints

import numpy as np
import pytest
from sklearn.utils._param_validation import StrOptions

from fastbp import BackpropClassifier, BackpropRegressor, TabularClassifier, TabularRegressor

EACH = pytest.mark.parametrize("cls", [TabularClassifier, TabularRegressor])
SINGLE = {TabularClassifier: BackpropClassifier, TabularRegressor: BackpropRegressor}


def documented(cls, section):
    """name: type, as the docstring has them."""
    text = cls.__doc__.split(f"    {section}\n    {'-' * len(section)}\n")[1].split("\n\n")[0]
    pairs = re.findall(r"^    (\w[\w, ]*) : (.+)$", text, re.MULTILINE)
    return {name: kind for names, kind in pairs for name in names.split(", ")}


def names_in(annotation):
    if isinstance(annotation, str):
        return {annotation}
    return set().union(*map(names_in, get_args(annotation)))


@EACH
def test_parameters(cls):
    names = list(inspect.signature(cls).parameters)
    assert list(documented(cls, "Parameters")) == names
    assert set(cls._parameter_constraints) == set(names)
    arguments, attributes = get_type_hints(cls.__init__), get_type_hints(cls)
    for name in names:
        assert attributes[name] == arguments[name], name
        options = [one for one in cls._parameter_constraints[name] if isinstance(one, StrOptions)]
        allowed = set().union(*(one.options for one in options))
        assert names_in(arguments[name]) == allowed, name


@EACH
def test_defaults_are_in_the_docstring(cls):
    for name, parameter in inspect.signature(cls).parameters.items():
        pattern = rf"    {name} : [^\n]*(\\\n[^\n]*)?default={re.escape(repr(parameter.default))}\n"
        text = cls.__doc__.replace("\\\n", "")
        assert re.search(pattern, text) or f"default={parameter.default!r}" in text, name


@EACH
def test_shared_parameters_mean_the_same_as_for_one_network(cls):
    shared = set(inspect.signature(cls).parameters) & set(inspect.signature(SINGLE[cls]).parameters)
    assert {"hidden_layer_sizes", "max_iter", "max_time", "n_threads", "random_state"} <= shared


@EACH
def test_fitted_attributes(cls):
    X = np.random.default_rng(0).standard_normal((40, 3))
    y = np.arange(40) % 2
    model = cls(2, hidden_layer_sizes=(4,), max_iter=2, random_state=0).fit(X, y)
    said = set(documented(cls, "Attributes"))
    found = {name for name in vars(model) if name.endswith("_") and name[0] != "_"}
    found |= {"loss_curves_", "validation_loss_curves_"}  # properties
    assert found == said - {"feature_names_in_"}
    declared = {name for name in get_type_hints(cls) if name.endswith("_")}
    assert declared == said - {"loss_curves_", "validation_loss_curves_"}
    assert type(model.n_iter_) is int and type(model.oob_score_) is float
    assert model.feature_importances_.shape == (3,)
