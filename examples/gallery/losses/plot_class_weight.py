"""
Rare classes: class_weight
==========================

If one class is rare, the most likely class is almost always the other one. ``class_weight``
multiplies the weights of the samples of a class; ``"balanced"`` gives each class the same sum.
"""

# %%
# One sample in twenty is positive, and the classes overlap.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.inspection import DecisionBoundaryDisplay
from sklearn.metrics import precision_score, recall_score, roc_auc_score

from fastbp import BackpropClassifier

rng = np.random.default_rng(0)


def draw(n):
    y = (rng.random(n) < 0.05).astype(int)
    X = rng.normal(size=(n, 2)) + np.where(y[:, np.newaxis], [1.5, 1.0], 0)
    return X, y


X, y = draw(1500)
X_test, y_test = draw(20000)

# %%
# A weight is a statement about costs: ``{1: 5}`` says that missing a positive is five times as bad
# as a false alarm.

fig, axes = plt.subplots(1, 3, figsize=(11, 4), sharex=True, sharey=True)
for ax, class_weight in zip(axes, (None, {1: 5}, "balanced"), strict=True):
    model = BackpropClassifier((16,), learning_rate_init=0.01, alpha=1.0, random_state=0)
    model.set_params(class_weight=class_weight).fit(X, y)
    predicted = model.predict(X_test)
    print(
        f"class_weight={class_weight!r:10}  recall {recall_score(y_test, predicted):.2f}  "
        f"precision {precision_score(y_test, predicted):.2f}  "
        f"area under ROC {roc_auc_score(y_test, model.predict_proba(X_test)[:, 1]):.3f}  "
        f"mean probability {model.predict_proba(X_test)[:, 1].mean():.3f}"
    )
    DecisionBoundaryDisplay.from_estimator(
        model, X, response_method="predict_proba", ax=ax, cmap="RdBu_r", alpha=0.6, vmin=0, vmax=1
    )
    for label, color in ((0, "tab:blue"), (1, "tab:red")):
        ax.scatter(*X[y == label].T, s=6, color=color)
    ax.set_title(f"class_weight={class_weight!r}")
plt.show()

# %%
# The weights move the boundary, not the ranking: the area under the ROC curve hardly changes. The
# probabilities become those of the weighted data. If you need the probabilities of the data
# themselves, leave the weights out and move the threshold instead.
