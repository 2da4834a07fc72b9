"""
Displays
========

``LossCurveDisplay`` draws what a fit has recorded. ``WeightsDisplay`` draws the weights of the
first layer.
"""

# %%
# One fit
# -------
#
# The solid line is the training loss, the dashed line the validation loss. The ring marks the epoch
# whose weights early stopping has restored: the epoch with the best score (here accuracy), not the
# one with the smallest loss. The training loss is larger because it includes the penalty.

import warnings
from typing import Any

import matplotlib.pyplot as plt
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastbp import BackpropClassifier, LossCurveDisplay, WeightsDisplay

# Not all of these fits have converged after 300 epochs.
warnings.filterwarnings("ignore", category=ConvergenceWarning)

X, y = load_digits(return_X_y=True)
X_train, X_val, y_train, y_val = train_test_split(X / 16, y, random_state=0)
model = BackpropClassifier(
    (24,), learning_rate_init=0.01, alpha=1.0, early_stopping=True, random_state=0
).fit(X_train, y_train, X_val=X_val, y_val=y_val)
display = LossCurveDisplay.from_estimator(model, log_scale=True)
display.ax_.set_title("digits, 24 hidden units")
plt.show()

# %%
# Several fits
# ------------
#
# Each fit has its own colour. The display finds the network at the end of a pipeline. It also draws
# scikit-learn's MLP, whose loss curve is the same for the same random_state.

table, target = load_breast_cancer(return_X_y=True)
parameters: dict[str, Any] = dict(hidden_layer_sizes=(16,), max_iter=300, random_state=0)
estimators = {
    "fastbp": BackpropClassifier(**parameters),
    "scikit-learn": MLPClassifier(**parameters),
    "fastbp, rate 0.01": BackpropClassifier(learning_rate_init=0.01, **parameters),
}
fitted = {
    name: make_pipeline(StandardScaler(), estimator).fit(table, target)
    for name, estimator in estimators.items()
}
fig, ax = plt.subplots(figsize=(7, 4))
display = LossCurveDisplay.from_estimators(fitted, ax=ax, log_scale=True)
display.lines_[1].set(linestyle=":", linewidth=4, zorder=1)
ax.legend(frameon=False)
plt.show()

# %%
# Weights
# -------
#
# If the features are pixels, the weights of each hidden unit are an image of what it looks for: red
# counts in favour, blue against.

WeightsDisplay.from_estimator(model, image_shape=(8, 8))
plt.show()

# %%
# For other features there is a heat map of features by units. The names come from the estimator, or
# from the earlier steps of the pipeline, if they know them.

table, target = load_breast_cancer(return_X_y=True, as_frame=True)
pipeline = make_pipeline(
    StandardScaler(),
    BackpropClassifier((12,), alpha=10.0, l1_ratio=0.5, max_iter=300, random_state=0),
).fit(table, target)
display = WeightsDisplay.from_estimator(pipeline)
display.ax_.grid(False)
plt.show()

# %%
# The penalty of this network is half L1, so some units are left without any weights.
