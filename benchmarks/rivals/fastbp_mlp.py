"""fastbp itself, through its estimators.

    run(shape, X, y, epochs, n_threads) -> (coefs, intercepts)

The estimators take scikit-learn's parameters, and offer the logistic output with squared error too.
"""

from fastbp import BackpropClassifier, BackpropRegressor
from rivals.sklearn_mlp import fit_estimator


def run(shape, X, y, epochs, n_threads=1):
    settings = {"n_threads": n_threads}
    if shape.output == "squared_logistic":
        settings["output_activation"] = "logistic"
    return fit_estimator(BackpropClassifier, BackpropRegressor, shape, X, y, epochs, **settings)
