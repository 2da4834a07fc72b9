"""The two classes' signatures and docstrings are literal, since editors read the source; what they
share is held equal here, and complete: each parameter has a default, a constraint and a paragraph.
"""

import inspect
import re

import pytest
from internals import ACTIVATIONS, LOSSES, OUTPUTS
from sklearn.utils._param_validation import StrOptions

from fastbp import BackpropClassifier, BackpropRegressor, Network
from fastbp.training.solvers import SOLVERS

CLASSES = [BackpropClassifier, BackpropRegressor]
each_class = pytest.mark.parametrize("cls", CLASSES)

# What these say depends on the kind of targets.
OF_EACH_CLASS = {"hidden_layer_sizes", "output_activation", "loss", "scoring"}
ATTRIBUTES_OF_EACH_CLASS = {"validation_scores_"}


def defaults(cls):
    parameters = inspect.signature(cls).parameters
    return {name: parameter.default for name, parameter in parameters.items()}


def paragraphs(text, section):
    """The entries of a numpydoc section: name -> its whole text."""
    text = inspect.cleandoc(text)
    body = re.split(r"\n\n(?=\S[^\n]*\n-+\n)", text.split(f"{section}\n{'-' * len(section)}\n")[1])
    entries = re.split(r"\n(?=\S)", body[0].strip())
    found = {}
    for entry in entries:
        for name in entry.split(" : ")[0].split(", "):
            found[name] = entry
    return found


def shared(section):
    one, other = (paragraphs(cls.__doc__, section) for cls in CLASSES)
    return [(name, one[name], other[name]) for name in one if name in other]


def test_shared_parameters_have_the_same_defaults_in_the_same_order():
    one, other = map(defaults, CLASSES)
    names = [name for name in one if name in other]
    assert names == [name for name in other if name in one]
    assert len(names) > 30
    for name in set(names) - {"loss"}:
        assert one[name] == other[name], name


@pytest.mark.parametrize(
    "method", ["fit", "initialize", "predict", "transform", "partial_fit", "fit_batches"]
)
def test_shared_methods_take_the_same_arguments(method):
    one, other = (dict(inspect.signature(getattr(cls, method)).parameters) for cls in CLASSES)
    one.pop("classes", None)
    other.pop("return_std", None)
    assert list(one) == list(other)
    assert [str(each) for each in one.values()] == [str(each) for each in other.values()]


@pytest.mark.parametrize(
    "section, own",
    [
        ("Parameters", OF_EACH_CLASS),
        ("Attributes", ATTRIBUTES_OF_EACH_CLASS),
        ("References", set()),
    ],
)
def test_shared_paragraphs_are_the_same(section, own):
    entries = shared(section)
    assert entries
    for name, one, other in entries:
        assert name in own or one == other, name


@each_class
def test_each_parameter_has_a_constraint_and_a_paragraph(cls):
    documented = paragraphs(cls.__doc__, "Parameters")
    assert list(documented) == list(defaults(cls))
    assert set(cls._parameter_constraints) == set(defaults(cls))
    for name, default in defaults(cls).items():
        entry = documented[name].replace("\\\n", "")
        if not name.startswith("beta_"):
            shown = str(default) if not isinstance(default, str) else repr(default)
            stated = re.search(r"default=(.+)", entry).group(1)
            assert stated == shown or float(stated) == default, name


@pytest.mark.parametrize(
    ("name", "words"),
    [("activation", ACTIVATIONS), ("output_activation", OUTPUTS), ("loss", LOSSES)],
)
def test_the_words_that_a_network_takes_are_documented(name, words):
    entry = paragraphs(Network.__doc__, "Parameters")[name].replace("\\\n", "")
    assert set(re.findall(r"'(\w+)'", entry)) == set(words)


def test_each_solver_ignores_parameters_that_exist_only():
    names = set(defaults(BackpropClassifier)) & set(defaults(BackpropRegressor))
    for name, solver in SOLVERS.items():
        assert set(solver.ignores) <= names, name


@each_class
@pytest.mark.parametrize(
    "name", ["solver", "activation", "output_activation", "loss", "learning_rate"]
)
def test_the_words_that_a_parameter_takes_are_documented(cls, name):
    entry = paragraphs(cls.__doc__, "Parameters")[name].replace("\\\n", "")
    listed = re.search(r"\{.*?\}", entry) or [entry]  # in braces, or in the text
    documented = set(re.findall(r"'(\w+)'", listed[0]))
    allowed = next(one for one in cls._parameter_constraints[name] if isinstance(one, StrOptions))
    assert documented == allowed.options
