"""Annotations repeat what tables and docstrings say; here they are held equal.

What type checkers make of them is checked by docs/check_types.py, over docs/typed_program.py and
all code of the documentation.
"""

import inspect
import re
from importlib.resources import files
from typing import get_args, get_type_hints

import numpy as np
import pytest
from internals import core
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import StrOptions

import fastbp
from fastbp import BackpropClassifier, BackpropRegressor, Network, types
from fastbp.base import BaseBackprop
from fastbp.objective import LOSSES, OUTPUTS

CLASSES = [BackpropClassifier, BackpropRegressor]
each_class = pytest.mark.parametrize("cls", CLASSES)


def names_in(annotation):
    """All strings that the Literals in an annotation allow."""
    if isinstance(annotation, str):
        return {annotation}
    arguments = annotation if isinstance(annotation, list) else get_args(annotation)
    return set().union(*map(names_in, arguments))


@each_class
def test_literals_are_the_names_that_the_parameters_take(cls):
    hints = get_type_hints(cls.__init__)
    for name, constraints in cls._parameter_constraints.items():
        allowed = [one.options for one in constraints if isinstance(one, StrOptions)]
        if name != "scoring":  # any of scikit-learn's
            assert names_in(hints[name]) == set().union(*allowed), name


@pytest.mark.parametrize(
    "annotation, names",
    [
        (types.Activation, core.ACTIVATIONS),
        (types.OutputActivation, OUTPUTS),
        (types.LossName, LOSSES),
        (types.FloatDType, ("float64", "float32")),
    ],
)
def test_literals_are_the_names_that_a_network_takes(annotation, names):
    assert names_in(annotation) == set(names)


@each_class
def test_parameters_are_declared_as_the_constructor_takes_them(cls):
    """As attributes: checkers do not see what __init__ makes of locals()."""
    arguments, attributes = get_type_hints(cls.__init__), get_type_hints(cls)
    del arguments["return"]
    assert list(arguments) == list(inspect.signature(cls).parameters)
    assert {name: attributes[name] for name in arguments} == arguments


@each_class
def test_fitted_attributes_are_declared(cls):
    """All that the docstring lists, with its type, and nothing else; none has a value before."""
    section = cls.__doc__.split("    Attributes\n")[1].split("\n\n")[0]
    documented = dict(re.findall(r"^    (\w+_) : (.+)$", section, re.MULTILINE))
    declared = get_type_hints(cls)
    arrays = {"coefs_", "intercepts_"}  # properties
    assert {name for name in declared if name.endswith("_")} == documented.keys() - arrays
    for name in documented.keys() - arrays:
        kind, of = documented[name].split(" or None")[0].split(" of shape")[0], declared[name]
        expected = {"ndarray": np.ndarray, "list of float": list[float], "Network": Network}.get(
            kind, {"int": int, "float": float, "str": str}.get(kind)
        )
        found = get_args(of)[0] if "or None" in documented[name] else of
        assert found == expected or getattr(found, "__origin__", None) is expected, name
        assert not hasattr(cls, name)
    for name in arrays:
        assert (
            "LayerArrays" in inspect.signature(getattr(BaseBackprop, name).fget).return_annotation
        )


@each_class
def test_fitted_attributes_are_of_their_types(cls):
    X, y = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 2
    model = cls((2,), max_iter=2, early_stopping=True, random_state=0)
    with pytest.warns(ConvergenceWarning):
        model.fit(X, y)
    for name in "n_iter_", "t_", "n_layers_", "n_outputs_", "n_features_in_":
        assert type(getattr(model, name)) is int, name
    for curve in model.loss_curve_, model.validation_loss_curve_, model.validation_scores_:
        assert isinstance(curve, list) and all(isinstance(one, float) for one in curve)
    assert isinstance(model.loss_, float) and isinstance(model.best_validation_score_, float)
    assert model.best_loss_ is None


def test_everything_public_is_annotated():
    for name in fastbp.__all__:
        public = getattr(fastbp, name)
        members = {name: public} if inspect.isfunction(public) else vars(public)
        for member_name, member in members.items():
            for wrapped in "fget", "fn", "__func__":  # property, available_if, classmethod
                member = getattr(member, wrapped, member)
            function = inspect.unwrap(member) if callable(member) else member
            is_public = member_name == "__init__" or not member_name.startswith("_")
            if inspect.isfunction(function) and is_public:
                signature = inspect.signature(function)
                assert signature.return_annotation is not signature.empty, function
                for parameter in list(signature.parameters.values())[inspect.isclass(public) :]:
                    assert parameter.annotation is not parameter.empty, (function, parameter)


def test_package_says_that_it_is_typed():
    assert files("fastbp").joinpath("py.typed").is_file()
