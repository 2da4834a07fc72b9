"""Imports point down: what a file may import is said by the order of the floors below."""

import ast
from pathlib import Path

import pytest

import fastbp

ROOT = Path(fastbp.__file__).parent

# From the top down. Files of one floor may import each other.
FLOORS = [
    {"__init__", "estimators"},
    {"onnx"},
    {"exchange"},
    {"dask"},
    {"show", "model_files"},
    {"table_files"},
    {"network_files"},
    {"tables"},
    {"classifier", "regressor"},
    {"base"},
    {"stream_fits"},
    {"fits"},
    {"batches"},
    {"fit_data"},
    {
        "parameters",
        "random_states",
        "scoring",
        "classes",
        "callbacks",
        "layer_arrays",
        "whole_fits",
    },
    {"training"},
    {"gradcheck"},
    {"network"},
    {"initialization", "layout", "objective"},
    {"front"},
    {"checks"},
    {"data", "threads"},
    {"archives", "versions"},
    {"sklearn_types"},
    {"types", "extras", "near_names", "user_warnings"},
    {"_kernels"},
]
FLOOR_OF = {name: number for number, floor in enumerate(FLOORS) for name in floor}
FILES = sorted(path.relative_to(ROOT) for path in ROOT.rglob("*.py"))


def room(path):
    """The name in FLOORS of a file: itself, or the folder that it lies in."""
    return path.parts[0] if len(path.parts) > 1 else path.stem


def imports(path):
    """The modules of the package that a file imports when it is imported, and their names."""
    for node in ast.parse((ROOT / path).read_text()).body:
        if not isinstance(node, ast.ImportFrom) or not node.level:
            continue
        folder = path.parts[: len(path.parts) - node.level]
        for alias in node.names:
            parts = (*folder, *(node.module.split(".") if node.module else [alias.name]))
            yield parts[0], [one.name for one in node.names]


@pytest.mark.parametrize("path", FILES, ids=str)
def test_a_file_imports_from_its_own_floor_or_below(path):
    assert room(path) in FLOOR_OF, f"{path} has no floor in this test"
    for module, names in imports(path):
        assert FLOOR_OF[module] >= FLOOR_OF[room(path)], f"{path} imports {names} of {module}"


@pytest.mark.parametrize("path", [path for path in FILES if room(path) == "training"], ids=str)
def test_training_knows_nothing_private_of_a_network(path):
    private = {name for name in vars(fastbp.Network([1, 1])) if name.startswith("_")}
    private |= {name for name in dir(fastbp.Network) if name.startswith("_") and name[1] != "_"}
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Attribute):
            own = isinstance(node.value, ast.Name) and node.value.id == "self"
            assert own or node.attr not in private, f"{path}:{node.lineno} uses {node.attr}"
    for _, names in imports(path):
        assert not any(name.startswith("_") and name != "_kernels" for name in names)


def test_every_file_of_the_kernels_is_below_all_others():
    assert FLOOR_OF["_kernels"] == len(FLOORS) - 1
