"""The version is written in pyproject.toml, and everything else has it from there."""

import importlib.metadata
import re
from pathlib import Path

import fastbp

ROOT = Path(__file__).parents[2]
PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
VERSION = re.search(r'^version = "(.+)"$', PYPROJECT, re.MULTILINE).group(1)


def fitted():
    return fastbp.BackpropRegressor((), solver="lbfgs").fit([[0.0], [1.0]], [0.0, 1.0])


def shown_version(capsys):
    fastbp.show_versions()
    return capsys.readouterr().out.split()[1]


def test_the_version_is_that_of_pyproject(capsys):
    assert fastbp.__version__ == VERSION
    assert importlib.metadata.version("fastbp") == VERSION
    assert shown_version(capsys) == VERSION
    assert fitted().__getstate__()["_fastbp_version"] == VERSION


def test_the_latest_release_of_the_changelog_is_this_version():
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(r"^## (\S+)", changelog, re.MULTILINE).group(1) == VERSION


def test_no_source_has_a_version_of_its_own():
    """docs/conf.py, among others, takes the package's."""
    for source in [ROOT / "docs" / "conf.py", *Path(fastbp.__file__).parent.rglob("*.py")]:
        text = source.read_text(encoding="utf-8")
        assert VERSION not in text, f"{source} has the version as a literal"
        assert not re.search(r"version *= *[\"']\d", text), f"{source} sets a version"
