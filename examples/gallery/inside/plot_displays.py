"""
Displays
========

``LossCurveDisplay`` draws what a fit has recorded, ``WeightsDisplay`` the weights of the first
layer.
"""

# %%
# One fit
# -------
#
# Solid is the training loss, dashed the validation loss; the ring is the epoch whose weights early
# stopping has restored. That is the epoch with the best score, here accuracy, not the one with the
# smallest loss. The training loss is the larger one, because the penalty is in it.

import warnings

import matplotlib.pyplot as plt
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastbp import BackpropClassifier, LossCurveDisplay, WeightsDisplay

# Not all of these fits are done after 300 epochs.
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
# Several
# -------
#
# Each has a colour. Pipelines are looked into, and scikit-learn's MLP has a loss curve as well:
# with the same random_state the same one.

table, target = load_breast_cancer(return_X_y=True)
parameters = dict(hidden_layer_sizes=(16,), max_iter=300, random_state=0)
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
# Where features are pixels, each hidden unit has an image of what it looks for: red counts in
# favour, blue against.

WeightsDisplay.from_estimator(model, image_shape=(8, 8))
plt.show()

# %%
# Elsewhere there is a heat map of features by units. Names come from the estimator or from the
# steps of the pipeline before it, if they know any.

data = load_breast_cancer(as_frame=True)
pipeline = make_pipeline(
    StandardScaler(),
    BackpropClassifier((12,), alpha=10.0, l1_ratio=0.5, max_iter=300, random_state=0),
).fit(data.data, data.target)
display = WeightsDisplay.from_estimator(pipeline)
display.ax_.grid(False)
plt.show()

# %%
# The penalty of this network is half L1, so whole units are left without weights.
