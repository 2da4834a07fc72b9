"""scikit-learn's own multilayer perceptrons.

    run(shape, X, y, epochs) -> (coefs, intercepts)

fit_estimator serves fastbp too, whose estimators take the same parameters.
"""

from instruments.workloads import SEED
from sklearn.neural_network import MLPClassifier, MLPRegressor


def run(shape, X, y, epochs):
    return fit_estimator(MLPClassifier, MLPRegressor, shape, X, y, epochs)


def fit_estimator(classifier, regressor, shape, X, y, epochs, **settings):
    """With lbfgs, epochs are its iterations."""
    estimator = (regressor if shape.is_regression else classifier)(
        hidden_layer_sizes=shape.hidden,
        activation=shape.activation,
        solver=shape.solver,
        alpha=shape.alpha,
        batch_size=shape.batch_size,
        learning_rate_init=shape.learning_rate,
        momentum=shape.momentum,
        nesterovs_momentum=shape.momentum > 0,
        shuffle=shape.shuffle,
        # no early stop: every library makes the same number of steps
        max_iter=epochs,
        max_fun=100 * epochs,
        tol=0.0,
        n_iter_no_change=epochs,
        random_state=SEED,
        **settings,
    )
    estimator.fit(X, y)
    return estimator.coefs_, estimator.intercepts_
