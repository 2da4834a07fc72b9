"""What .ci/test_wheel runs where the wheel was installed into an empty environment.

It checks that no compiler is found, that no distribution is there but fastbp and what it depends
on, and that the model files of tests/data load: NumPy alone shows their arrays, without fastbp, and
load_model gives the estimator.
"""

import importlib.metadata
import re
import shutil
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np

FILES = Path(__file__).parents[1] / "data" / "format_1"
COMPILERS = ["cc", "gcc", "g++", "c++", "c99", "clang", "clang++", "tcc", "icx", "cl", "ld", "as"]
OF_VENV = {"pip", "setuptools", "wheel"}


def normalized(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def dependencies(name):
    """A distribution and all that it depends on, without extras."""
    found, new = set(), {normalized(name)}
    while new:
        found |= new
        required = {
            normalized(re.match(r"[\w.-]+", line).group())
            for one in new
            for line in importlib.metadata.requires(one) or []
            if "extra ==" not in line
        }
        new = required - found
    return found


def check_environment():
    compilers = [name for name in COMPILERS if shutil.which(name)]
    assert not compilers, f"found on PATH: {compilers}"
    installed = {normalized(one.metadata["Name"]) for one in importlib.metadata.distributions()}
    more = installed - dependencies("fastbp") - OF_VENV
    assert not more, f"more is installed than fastbp needs: {sorted(more)}"
    print("installed:", *sorted(installed - OF_VENV))


def show_arrays(file):
    """The arrays of a model file, as NumPy shows them without fastbp and without pickle."""
    with np.load(file, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    assert "fastbp" not in sys.modules
    assert any("coefs_" in name for name in arrays), f"{file} has no coefs: {[*arrays]}"
    print(file.name, *(f"{name}{list(array.shape)}" for name, array in arrays.items()))
    return arrays


def check_model(file, arrays):
    from fastbp import load_model, save_model

    estimator = load_model(file)
    with np.load(FILES / "outputs" / file.name) as expected:
        outputs = outputs_of(estimator, expected)
        np.testing.assert_allclose(outputs, expected["outputs"], rtol=1e-5, atol=1e-6)
    for prefix, network in networks_of(estimator):
        for layer, coefs in enumerate(network.coefs_):
            np.testing.assert_array_equal(coefs, arrays[f"{prefix}coefs_{layer}"])
    with tempfile.TemporaryDirectory() as folder:
        save_model(estimator, Path(folder) / "again.npz")
        again = load_model(Path(folder) / "again.npz")
        for (_, one), (_, other) in zip(networks_of(again), networks_of(estimator), strict=True):
            np.testing.assert_array_equal(one.network_.params, other.network_.params)


def networks_of(estimator):
    """(prefix of its arrays, estimator with one network), one or several."""
    if not hasattr(estimator, "estimators_"):
        return [("", estimator)]
    return [(f"network_{k}_", one) for k, one in enumerate(estimator.estimators_)]


def outputs_of(estimator, inputs):
    """Outputs for the rows in a file of tests/data/format_1/outputs."""
    if "T" not in inputs:
        return estimator.network_.forward(inputs["X"])
    text = inputs["T"].astype(object)
    text[text == ""] = None
    table = np.hstack([inputs["X"].astype(object), text])
    # the columns had names, which an array has not; pandas is not installed here
    warnings.filterwarnings("ignore", "X does not have valid feature names")
    if hasattr(estimator, "predict_proba"):
        return estimator.predict_proba(table)
    return estimator.predict_interval(table, 0.7)


def main():
    check_environment()
    files = sorted(FILES.glob("*.npz"))
    assert files
    arrays = {file: show_arrays(file) for file in files}
    for file in files:
        check_model(file, arrays[file])
    import fastbp

    assert "site-packages" in fastbp.__file__
    print(f"{len(files)} model files load")


if __name__ == "__main__":
    main()
