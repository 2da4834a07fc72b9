"""fastbp beside scikit-learn on real data: the same scores, many times faster.

    python examples/demo.py [--png demo/learning_curves.png]

The demo does three things that a scikit-learn user does every day. `BackpropClassifier` and
`BackpropRegressor` replace `MLPClassifier` and `MLPRegressor`; nothing else changes:

1. cross-validation of a pipeline, on three data sets that come with scikit-learn. Both libraries
   get the same parameters and the same random_state, so they take the same steps: the scores agree,
   the times do not.
2. a grid search in two processes.
3. learning curves, saved as a PNG if matplotlib is installed (`pip install fastbp[demo]`).

Fits run on one thread. The demo takes less than a minute, most of it in scikit-learn.
"""

import argparse
import warnings
from pathlib import Path
from time import perf_counter

from sklearn.base import is_classifier
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold, cross_validate
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from fastbp import BackpropClassifier, BackpropRegressor, __version__

# data set, its loader, (ours, theirs), what score() returns, parameters of both
PROBLEMS = [
    (
        "digits",
        load_digits,
        (BackpropClassifier, MLPClassifier),
        "accuracy",
        {"hidden_layer_sizes": (100,), "max_iter": 200},
    ),
    (
        "breast cancer",
        load_breast_cancer,
        (BackpropClassifier, MLPClassifier),
        "accuracy",
        {"hidden_layer_sizes": (32,), "batch_size": 32, "max_iter": 200},
    ),
    (
        "diabetes",
        load_diabetes,
        (BackpropRegressor, MLPRegressor),
        "R²",
        {"hidden_layer_sizes": (50,), "alpha": 1.0, "learning_rate_init": 0.01, "max_iter": 200},
    ),
]


def main():
    parser = argparse.ArgumentParser(description="fastbp beside scikit-learn on real data")
    parser.add_argument("--png", type=Path, default=Path("demo/learning_curves.png"))
    options = parser.parse_args()
    # max_iter keeps the demo short: not every fit gets as far as tol asks
    warnings.simplefilter("ignore", ConvergenceWarning)
    print(f"fastbp {__version__} beside scikit-learn's MLP: same parameters, same random_state\n")
    with threadpool_limits(limits=1):
        compare_cross_validations()
    search_grid()
    with threadpool_limits(limits=1):
        draw_learning_curves(options.png)


# --- 1. cross-validation


def compare_cross_validations():
    print("5-fold cross-validation of StandardScaler + network: score ± sd, time of the five fits")
    print(f"{'':26}{'fastbp':^24}{'scikit-learn':^24}  faster")
    for name, load_data, (ours, theirs), metric, params in PROBLEMS:
        print(f"  {name:14} {metric:9}", end="", flush=True)
        X, y = load_data(return_X_y=True)
        our_seconds = cross_validation(ours, params, X, y)
        their_seconds = cross_validation(theirs, params, X, y)
        print(f"{their_seconds / our_seconds:7.1f}x")


def cross_validation(estimator, params, X, y):
    """Print score and time of five folds; returns the time."""
    pipeline = make_pipeline(StandardScaler(), estimator(random_state=0, **params))
    result = cross_validate(pipeline, X, y, cv=shuffled_folds(estimator))
    scores, seconds = result["test_score"], result["fit_time"].sum()
    print(f"{scores.mean():8.3f} ± {scores.std():.3f} {seconds:5.2f} s ", end="", flush=True)
    return seconds


def shuffled_folds(estimator):
    folds = StratifiedKFold if is_classifier(estimator()) else KFold
    return folds(5, shuffle=True, random_state=0)


# --- 2. grid search


def search_grid():
    grid = {
        "backpropclassifier__hidden_layer_sizes": [(50,), (100,), (50, 50)],
        "backpropclassifier__alpha": [1e-4, 1e-2, 1.0],
    }
    pipeline = make_pipeline(StandardScaler(), BackpropClassifier(max_iter=100, random_state=0))
    search = GridSearchCV(pipeline, grid, cv=shuffled_folds(BackpropClassifier), n_jobs=2)
    print("\nGrid search on digits: 9 candidates, 45 fits, in two processes ...", flush=True)
    start = perf_counter()
    search.fit(*load_digits(return_X_y=True))
    seconds = perf_counter() - start
    best = {name.partition("__")[2]: value for name, value in search.best_params_.items()}
    print(f"  best {best}")
    print(f"  accuracy {search.best_score_:.3f}, {seconds:.1f} s with the start of the processes")


# --- 3. learning curves


def draw_learning_curves(path):
    print("\nLearning curves on digits ...", flush=True)
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        print("  matplotlib is not installed, so there is no picture: pip install fastbp[demo]")
        return
    X, y = load_digits(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    figure = Figure(figsize=(13, 4.2), layout="constrained")
    loss_axes, time_axes, score_axes = figure.subplots(1, 3)
    draw_losses(loss_axes, time_axes, X, y)
    draw_validation_scores(score_axes, X, y)
    figure.suptitle("Handwritten digits, 100 relu units, Adam: the same training, sooner")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    print(f"  saved in {path.resolve()}")


# label, class, and a line style that shows both curves where they coincide: dashes on a broad band
CURVES = [
    ("fastbp", BackpropClassifier, {"color": "#f4a259", "linewidth": 6, "solid_capstyle": "round"}),
    (
        "scikit-learn",
        MLPClassifier,
        {"color": "#1d3557", "linewidth": 1.6, "linestyle": (0, (4, 3))},
    ),
]


def draw_losses(loss_axes, time_axes, X, y):
    for label, estimator, style in CURVES:
        network = estimator((100,), max_iter=100, random_state=0)
        start = perf_counter()
        network.fit(X, y)
        seconds = perf_counter() - start
        epochs = range(1, network.n_iter_ + 1)
        loss_axes.plot(epochs, network.loss_curve_, label=label, **style)
        # every epoch does the same work
        times = [seconds * epoch / network.n_iter_ for epoch in epochs]
        time_axes.plot(times, network.loss_curve_, label=f"{label}: {seconds:.2f} s", **style)
    set_labels(
        loss_axes, "Loss by epoch: they coincide", "epoch", "training loss (nats per sample)"
    )
    set_labels(
        time_axes, "Loss by time: they do not", "time (s)", "training loss (nats per sample)"
    )
    for axes in (loss_axes, time_axes):
        axes.set_yscale("log")


def draw_validation_scores(axes, X, y):
    for label, estimator, style in CURVES:
        network = estimator((100,), early_stopping=True, max_iter=100, random_state=0).fit(X, y)
        scores = network.validation_scores_
        axes.plot(range(1, len(scores) + 1), scores, label=label, **style)
    best = max(range(len(scores)), key=scores.__getitem__)
    axes.plot(
        best + 1, scores[best], "o", color="#c1121f", zorder=3, label=f"best: {scores[best]:.3f}"
    )
    set_labels(axes, "Early stopping", "epoch", "accuracy (held-out tenth)")


def set_labels(axes, title, xlabel, ylabel):
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)


if __name__ == "__main__":
    main()
