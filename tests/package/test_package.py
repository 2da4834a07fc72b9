"""The package as a whole: builds, versions, what an import brings in, and the layers."""

import ast
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


def run_python(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize(
    ("variable", "build"),
    [
        pytest.param("", BEST_BUILD, id="empty", marks=pytest.mark.grid),
        *(pytest.param(name, name, marks=pytest.mark.grid) for name in BUILDS[1:]),
        (BUILDS[0], BUILDS[0]),
    ],
)
def test_environment_variable_chooses_the_build(variable, build):
    """Empty: the best one."""
    done = run_python("import fastbp; fastbp.show_versions()", FASTBP_ISA=variable)
    assert done.returncode == 0, done.stderr
    assert f"build        {build} " in done.stdout


def test_unknown_build_is_refused_with_the_choices():
    done = run_python("import fastbp", FASTBP_ISA="avx1024")
    assert done.returncode != 0
    assert "FASTBP_ISA='avx1024'" in done.stderr and "baseline" in done.stderr


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


def test_import_adds_only_itself_to_scikit_learns():
    """The displays import Matplotlib only when they draw."""
    done = run_python(
        "import sys, sklearn.neural_network; before = set(sys.modules); "
        f"import {', '.join(['fastbp', *DISPLAY_MODULES])}; "
        "print({name.partition('.')[0] for name in set(sys.modules) - before})"
    )
    allowed = {"fastbp", "numpy", "scipy", "sklearn", "joblib", "threadpoolctl"}
    added = ast.literal_eval(done.stdout)
    assert "fastbp" in added
    # what Cython's modules share registers itself under a name like _cython_3_2_0
    added = {name for name in added if not name.startswith("_cython_")}
    assert added - set(sys.stdlib_module_names) <= allowed


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


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # 50 epochs only
def test_readme_examples_run(capsys):
    readme = Path(__file__).parents[2] / "README.md"
    blocks = re.findall(r"```python\n(.*?)```", readme.read_text(), flags=re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        exec(block, {})
    shown = capsys.readouterr().out
    assert float(shown.splitlines()[0]) > 0.9
    assert "gradient check passed" in shown
