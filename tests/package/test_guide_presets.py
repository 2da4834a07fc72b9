"""docs/guide/presets.md states every number of the recipe as the code has it."""

import inspect
import re
from dataclasses import fields
from importlib import import_module
from pathlib import Path

import pytest

from fastbp import TabularClassifier, TabularRegressor
from fastbp.tables.presets import Preset

ROOT = next(folder for folder in Path(__file__).parents if (folder / "docs" / "guide").is_dir())


def stated_below(heading):
    """{name: value} of the table below a heading: its first two columns."""
    text = (ROOT / "docs/guide/presets.md").read_text(encoding="utf-8")
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return dict(re.findall(r"^\| `([\w.]+)` \| `([^`]+)` \| \S", section, re.MULTILINE))


def test_parts_of_the_recipe():
    assert stated_below("Parts of the recipe") == {
        field.name: repr(getattr(Preset(), field.name)) for field in fields(Preset)
    }


def test_the_docstring_explains_each_part():
    explained = re.findall(r"^    ([\w, ]+) : ", Preset.__doc__, re.MULTILINE)
    assert {name for names in explained for name in names.split(", ")} == {
        field.name for field in fields(Preset)
    }


@pytest.mark.parametrize("cls", [TabularClassifier, TabularRegressor])
def test_parameters_that_users_set(cls):
    defaults = inspect.signature(cls).parameters
    for name, value in stated_below("Parameters that you can set").items():
        assert repr(defaults[name].default) == value


def test_numbers_elsewhere():
    stated = stated_below("Numbers elsewhere")
    assert stated
    for place, value in stated.items():
        module, name = place.split(".")
        assert repr(getattr(import_module(f"fastbp.tables.{module}"), name)) == value
