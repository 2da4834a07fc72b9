"""What check_types.py must find, and know: a program of a user who runs type checkers.

Both checkers have to find an error in each line that ends in ``# wrong``, and in no other.
"""

from pathlib import Path
from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame, Series
from scipy.sparse import csr_array, csr_matrix

from fastbp import (
    BackpropClassifier,
    BackpropRegressor,
    LossCurveDisplay,
    Network,
    TabularRegressor,
    WeightsDisplay,
    check_gradient,
    load_model,
    save_model,
)
from fastbp.types import FloatArray

X, y = np.zeros((4, 2)), np.array([0, 1, 0, 1])

# Parameters.
model = BackpropClassifier((3, 2), activation=("tanh", "relu"), batch_size=32, alpha=1)
model = BackpropClassifier(3, class_weight={0: 1, 1: 5}, learning_rate=lambda e: 0.1 / (e + 1))
BackpropClassifier(activation="rellu")  # wrong
BackpropClassifier(activation=("tanh", 1))  # wrong
BackpropClassifier(batch_size="large")  # wrong
BackpropClassifier(hidden_layer_sizes=(2.5,))  # wrong
BackpropClassifier(loss="huber")  # wrong
BackpropClassifier(hidden_layers=(3,))  # wrong
BackpropClassifier(learning_rate=lambda epoch: str(epoch))  # wrong
BackpropRegressor(loss="log_loss")  # wrong
BackpropRegressor(quantile="median")  # wrong
BackpropRegressor(output_activation="relu")  # wrong
BackpropRegressor(solver="adamw")  # wrong
BackpropRegressor(quantile=[0.1, 0.9], random_state=np.random.RandomState(0), max_time=None)
BackpropRegressor(n_iter_no_change=np.inf, scoring="loss", checkpoint=Path("run.npz"))
assert_type(model.alpha, float)
assert_type(model.max_grad_norm, float | None)

# Methods.
model.fit(csr_matrix(X), y).fit(csr_array(X), ["yes", "no", "yes", "no"]).fit(
    DataFrame(X), Series(y)
)
assert_type(model.fit(X, y), BackpropClassifier)
assert_type(model.fit(X, y, X_val=X, y_val=y).partial_fit(X, y), BackpropClassifier)
assert_type(model.fit_batches(lambda: iter([(X, y)]), classes=[0, 1]), BackpropClassifier)
model.fit_batches([(X, y, y)], buffer_rows=10, X_val=X, y_val=y)
model.fit_batches(3)  # wrong
assert_type(model.set_params(alpha=0.1).set_fit_request(X_val=True), BackpropClassifier)
assert_type(model.initialize(X, y, coefs=[[[1.0]], [[2.0]]]), BackpropClassifier)
assert_type(model.predict_proba([[0.0, 1.0]]), NDArray[np.floating[Any]])
assert_type(model.score(X, y), float)
assert_type(BackpropRegressor().fit(X, y).predict(X), NDArray[np.floating[Any]])
model.fit(X)  # wrong
model.fit(X, y, X_validation=X)  # wrong
model.predict(None)  # wrong

# Fitted attributes.
assert_type(model.loss_curve_, list[float])
assert_type(model.loss_, float)
assert_type(model.best_loss_, float | Any)
assert_type(model.validation_loss_curve_, list[float] | Any)
assert_type(model.validation_scores_, list[float] | Any)
assert_type(model.best_validation_score_, float | Any)
assert_type(model.n_iter_, int)
assert_type(model.t_, int)
assert_type(model.coefs_[0], NDArray[np.floating[Any]])
assert_type(model.intercepts_[0], NDArray[np.floating[Any]])
assert_type(model.network_, Network)
assert_type(model.classes_, NDArray[Any])
assert_type(model.n_features_in_, int)
assert_type(model.feature_names_in_, NDArray[Any])
assert_type(model.n_layers_, int)
assert_type(model.n_outputs_, int)
assert_type(model.out_activation_, str)
model.coefs_ = [np.zeros((2, 1)), [[1.0]]]
model.coefs_[0] = [[1.0], [2.0]]
model.intercepts_[0] = np.zeros(1)
model.coefs_ = 3  # wrong
model.coefs_[0] = None  # wrong
model.loss_curve_[0].append(0.5)  # wrong


# Network, and a loss of the user's own.
class Squares:
    def loss(self, y: FloatArray, outputs: FloatArray) -> FloatArray:
        return ((outputs - y) ** 2).sum(axis=1)

    def gradient(self, y: FloatArray, outputs: FloatArray) -> FloatArray:
        return 2 * (outputs - y)


class HalfALoss:
    def loss(self, y: FloatArray, outputs: FloatArray) -> FloatArray:
        return ((outputs - y) ** 2).sum(axis=1)


net = Network([2, 3, 1], loss=Squares(), dtype=np.float32)
Network([2, 1], loss=HalfALoss())  # wrong
Network([2, 1], reduction="median")  # wrong
Network([2, 1], dtype="float16")  # wrong
Network("2-3-1")  # wrong
assert_type(net.loss(X, y), float)
assert_type(net.loss_gradient(X, y).flat, NDArray[np.floating[Any]])
assert_type(net.loss_gradient(X, y).coefs, tuple[NDArray[np.floating[Any]], ...])
assert_type(net.copy(l2=0.1), Network)
assert_type(check_gradient(net, X, y, rtol=1e-5).passed, bool)
net.params -= 0.1 * net.loss_gradient(X, y).flat
net.params = {0.5, 1.0}  # wrong
net.n_params = 3  # wrong

# Files and displays.
save_model(model, "model.npz", omit=["scoring"])
save_model(TabularRegressor(), "table.npz", omit="random_state")
save_model(net, "model.npz")  # wrong
again: BackpropClassifier = load_model("model.npz", scoring="accuracy")
assert_type(LossCurveDisplay.from_estimator(model, log_scale=True), LossCurveDisplay)
WeightsDisplay.from_estimator(model, image_shape=(8, 8)).ax_.set_title("weights")
WeightsDisplay.from_estimator(model, image_shape=8)  # wrong
