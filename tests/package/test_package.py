"""The package as a whole: builds, versions, what an import brings in, and the layers."""

import ast
import importlib.util
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from internals import BEST_BUILD, BUILDS, DISPLAY_MODULES, kernels

import fastbp

SOURCE = Path(fastbp.__file__).parent


def import_kernels(monkeypatch, variable):
    """The package of the kernels imported anew, with FASTBP_ISA set: its core is chosen then."""
    monkeypatch.setenv("FASTBP_ISA", variable)
    spec = importlib.util.spec_from_file_location(kernels.__name__, kernels.__file__)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("variable", ["", *BUILDS])
def test_environment_variable_chooses_the_build(monkeypatch, capsys, variable):
    """Empty: the best one."""
    chosen = import_kernels(monkeypatch, variable).core
    assert chosen is kernels.load_build(variable or BEST_BUILD)
    monkeypatch.setattr(kernels, "core", chosen)
    fastbp.show_versions()
    assert f"build        {variable or BEST_BUILD} " in capsys.readouterr().out


def test_unknown_build_is_refused_with_the_choices(monkeypatch):
    with pytest.raises(ImportError, match="FASTBP_ISA='avx1024' .* baseline"):
        import_kernels(monkeypatch, "avx1024")


def test_show_versions_names_what_a_bug_report_needs(capsys):
    fastbp.show_versions()
    shown = capsys.readouterr().out
    for name in ("fastbp", "build", "compiled by", "Python", "numpy", "scipy", "scikit-learn"):
        assert name in shown
    assert fastbp.__version__ in shown and np.__version__ in shown


def test_public_names_are_documented():
    for name in fastbp.__all__:
        assert getattr(fastbp, name).__doc__
    for cls in filter(inspect.isclass, map(vars(fastbp).get, fastbp.__all__)):
        for name, member in vars(cls).items():
            if not name.startswith("_") and (callable(member) or isinstance(member, property)):
                documented = getattr(cls, name) if callable(member) else member
                assert documented.__doc__ or f"{name} :" in cls.__doc__, f"{cls.__name__}.{name}"


@pytest.mark.slow
def test_import_adds_only_itself_to_scikit_learns():
    """The displays import Matplotlib only when they draw.

    In a new process, which is told to use the first build.
    """
    code = (
        "import sys, sklearn.neural_network; before = set(sys.modules); "
        f"import {', '.join(['fastbp', *DISPLAY_MODULES])}; "
        "print({name.partition('.')[0] for name in set(sys.modules) - before}); "
        "fastbp.show_versions()"
    )
    environment = {**os.environ, "FASTBP_ISA": BUILDS[0]}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    added, _, versions = done.stdout.partition("\n")
    # what Cython's modules share registers itself under a name like _cython_3_2_0
    added = {name for name in ast.literal_eval(added) if not name.startswith("_cython_")}
    assert "fastbp" in added
    allowed = {"fastbp", "numpy", "scipy", "sklearn", "joblib", "threadpoolctl"}
    assert added - set(sys.stdlib_module_names) <= allowed
    assert f"build        {BUILDS[0]} " in versions


def test_all_finite(build):
    rng = np.random.default_rng(0)
    for dtype in (np.float64, np.float32):
        for n in (0, 1, 7, 64, 129):
            array = rng.normal(size=n).astype(dtype)
            assert kernels.core.all_finite(array)
            for position in range(n):
                for value in (np.nan, np.inf, -np.inf):
                    broken = array.copy()
                    broken[position] = value
                    assert not kernels.core.all_finite(broken)


def test_training_leaves_denormals_to_others(build):
    """The flush-to-zero mode of a training call ends with the call, after an error too."""
    tiny = np.array([1e-310])
    X, y = np.ones((4, 1)), np.ones(4)
    fastbp.BackpropRegressor((2,), max_iter=2, tol=10.0, random_state=0, solver="adam").partial_fit(
        X, y
    )
    assert (tiny * 0.5)[0] > 0
    with pytest.raises(ValueError, match="non-finite"):
        fastbp.BackpropRegressor(
            (), solver="sgd", learning_rate_init=1e200, max_iter=5, tol=0, random_state=0
        ).fit(X * 1e100, y)
    assert (tiny * 0.5)[0] > 0


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # 50 epochs only
def test_readme_examples_run(capsys):
    readme = Path(__file__).parents[2] / "README.md"
    blocks = re.findall(r"```python\n(.*?)```", readme.read_text(), flags=re.DOTALL)
    assert len(blocks) == 3
    for block in blocks:
        exec(block, {})
    shown = capsys.readouterr().out
    of_table, of_digits = shown.splitlines()[:2]
    assert all(float(score) > 0.9 for score in of_table.split())
    assert float(of_digits) > 0.9
    assert "gradient check passed" in shown
