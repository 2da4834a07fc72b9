"""Pickles of fastbp 0.1.0 at commit b8ce58c, and what their models computed there.

test_pickles_of_before.py loads them. They were made once, and are not made again:

    python make.py models       in an environment of .ci/oldest.txt: writes samples.npz, *.pkl

The oldest dependencies write them because newer ones read what older ones wrote, not the other
way round: a pickle of NumPy 2 names numpy._core, which NumPy 1 does not have.

    FASTBP_ISA=baseline python make.py outputs      and so for avx2, avx512: writes outputs.npz

loads the pickles and adds what the models compute and how their training goes on, in that build.
A change that alters rounding on purpose runs this again; the pickles stay.
"""

import io
import pickle
import re
import sys
import warnings
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import fastbp
from fastbp import BackpropClassifier, BackpropRegressor, Network

FOLDER = Path(__file__).parent
SETTINGS = {"max_iter": 6, "batch_size": 8, "learning_rate_init": 0.02, "random_state": 0}
SETTINGS["n_threads"] = 1  # to those who made these, another number rounded differently


def make_samples():
    """Inputs and the targets of each kind, as arrays that NumPy alone can store."""
    rng = np.random.RandomState(0)
    X = np.round(8 * rng.normal(size=(32, 4))) / 8
    scores = X @ rng.normal(size=(4, 3))
    return {
        "X": X,
        "classes": np.array(["ant", "bee", "cat"])[scores.argmax(axis=1)],
        "labels": (scores > 0).astype(int),
        "number": np.tanh(scores[:, 0]),
        "numbers": np.tanh(scores[:, :2]),
        "weights": np.arange(32) % 3 + 0.5,
    }


def make_models(samples):
    """Every model by its name."""
    X, y = samples["X"], samples["classes"]
    multilabel = BackpropClassifier((5,), solver="sgd", **SETTINGS)
    for start in (0, 16, 8):
        rows = slice(start, start + 16)
        multilabel.partial_fit(X[rows], samples["labels"][rows])
    network = Network(
        [4, 6, 3],
        activation=("gelu",),
        output_activation="softmax",
        loss="log_loss",
        l2=0.01,
        label_smoothing=0.1,
        random_state=0,
    )
    return {
        "classifier_adam_early_stopping": BackpropClassifier(
            (6,), early_stopping=True, validation_fraction=0.25, **SETTINGS
        ).fit(X, y),
        "regressor_lbfgs_float32": BackpropRegressor(
            (5,), activation="tanh", solver="lbfgs", **SETTINGS
        ).fit(X.astype(np.float32), samples["numbers"]),
        "multilabel_sgd_partial_fit": multilabel,
        "quantiles": BackpropRegressor(
            (5,), loss="quantile", quantile=[0.1, 0.5, 0.9], **SETTINGS
        ).fit(X, samples["number"]),
        "rprop_activation_of_each_layer": BackpropRegressor(
            (5, 4), activation=("tanh", "silu"), solver="rprop", **SETTINGS
        ).fit(X, samples["number"]),
        "pipeline_class_weight": make_pipeline(
            StandardScaler(),
            BackpropClassifier((5,), class_weight="balanced", dropout=0.2, **SETTINGS),
        ).fit(X, y, backpropclassifier__sample_weight=samples["weights"]),
        "network": network,
    }


def targets_of(name, samples):
    kinds = {
        "classifier": "classes",
        "pipeline": "classes",
        "multilabel": "labels",
        "regressor": "numbers",
        "network": "classes",
    }
    y = samples[kinds.get(name.partition("_")[0], "number")]
    return np.unique(y, return_inverse=True)[1] if name == "network" else y


def compute(name, model, samples):
    """Arrays of numbers that a model computes, by name."""
    X = samples["X"][:8]
    if isinstance(model, Network):
        y = targets_of(name, samples)[:8]
        return {
            "params": model.params,
            "forward": model.forward(X),
            "loss": np.array(model.loss(X, y)),
            "loss_gradient": model.loss_gradient(X, y).flat,
            "jacobian": model.jacobian(X[:1]),
        }
    last = model[-1] if hasattr(model, "steps") else model
    arrays = {
        "params": last.network_.params,
        "loss_curve": np.array(last.loss_curve_),
        "transform": model.transform(X),
    }
    if not hasattr(model, "predict_proba"):
        return arrays | {"predict": model.predict(X)}
    predicted = model.predict(X)
    if predicted.ndim == 1:  # numbers in place of labels
        predicted = np.searchsorted(last.classes_, predicted)
    return arrays | {"predict": predicted, "predict_proba": model.predict_proba(X)}


def train_on(name, model, samples):
    """Train a model further, in place."""
    X, y = samples["X"], targets_of(name, samples)
    if isinstance(model, Network):
        for _ in range(3):
            model.params -= 0.1 * model.loss_gradient(X, y).flat
        return
    if hasattr(model, "steps"):
        X, model = model[:-1].transform(X), model[-1]
    if model.network_.dtype == np.float32:
        X = X.astype(np.float32)
    if name in ("multilabel_sgd_partial_fit", "quantiles"):
        model.partial_fit(X, y)
        model.partial_fit(X, y)
    elif name == "pipeline_class_weight":  # partial_fit cannot know how frequent a class will be
        model.set_params(class_weight={"ant": 2.0}).partial_fit(X, y)
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.set_params(warm_start=True, max_iter=3).fit(X, y)


def compute_all(name, model, samples):
    """What a model computes as it was loaded, and after more training."""
    before = {
        f"loaded {what}": array.copy() for what, array in compute(name, model, samples).items()
    }
    train_on(name, model, samples)
    return before | {
        f"trained {what}": array for what, array in compute(name, model, samples).items()
    }


def flatten(arrays):
    """All numbers in one vector, which makes for a small file."""
    return np.concatenate([array.ravel() for array in arrays.values()], dtype=float)


def load_model(name):
    return pickle.loads((FOLDER / f"{name}.pkl").read_bytes())


def write_models():
    samples = make_samples()
    np.savez_compressed(FOLDER / "samples.npz", **samples)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        models = make_models(samples)
    for name, model in models.items():
        (FOLDER / f"{name}.pkl").write_bytes(pickle.dumps(model, protocol=4))


def arithmetic():
    """What the last bits depend on: the build in use and its compiler."""
    out = io.StringIO()
    with redirect_stdout(out):
        fastbp.show_versions()
    facts = dict(re.split(r"  +", line, maxsplit=1) for line in out.getvalue().splitlines()[:3])
    return facts["build"].split()[0], facts["compiled by"].strip()


def write_outputs():
    path, samples = FOLDER / "outputs.npz", np.load(FOLDER / "samples.npz")
    build, compiler = arithmetic()
    stored = dict(np.load(path)) if path.exists() else {}
    for file in sorted(FOLDER.glob("*.pkl")):
        arrays = compute_all(file.stem, load_model(file.stem), samples)
        stored[f"{build}/{file.stem}"] = flatten(arrays)
    stored[f"{build}/compiler"] = np.array(compiler)
    np.savez_compressed(path, **stored)


if __name__ == "__main__":
    if sys.argv[1:] == ["models"]:
        write_models()
    elif sys.argv[1:] == ["outputs"]:
        write_outputs()
    else:
        sys.exit(__doc__)
