"""
Label smoothing and calibration
===============================

A network that fits its training set perfectly is sure of everything, including its mistakes.
``label_smoothing=e`` takes the share e of each target and spreads it over all classes, so that the
network no longer aims at probabilities of one.
"""

# %%
# There are three classes, one label in twenty is wrong, and the network learns its 1000 samples by
# heart.

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from fastbp import BackpropClassifier

# Fits of a fixed number of epochs end with a ConvergenceWarning, which is intended here.
warnings.filterwarnings("ignore", category=ConvergenceWarning)

X, y = make_classification(
    5000, 20, n_informative=10, n_classes=3, flip_y=0.05, class_sep=1.5, random_state=0
)
X_train, X_test, y_train, y_test = train_test_split(X, y, train_size=1000, random_state=0)
scaler = StandardScaler().fit(X_train)
X_train, X_test = scaler.transform(X_train), scaler.transform(X_test)

# %%
# Calibrated means that of the predictions with a confidence of 0.8, four in five are right.


def reliability(probabilities, y, bins=10):
    """Mean confidence, share of right answers and number of samples of each bin."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == y
    index = np.clip((confidence * bins).astype(int), 0, bins - 1)
    rows = [
        (confidence[index == b].mean(), right[index == b].mean(), (index == b).sum())
        for b in range(bins)
        if (index == b).sum() >= 20
    ]
    return np.array(rows).T


fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4.5))
left.plot([0.3, 1], [0.3, 1], "k--", label="calibrated")
for smoothing in (0.0, 0.05, 0.3):
    model = BackpropClassifier(
        (100,),
        label_smoothing=smoothing,
        learning_rate_init=0.005,
        batch_size=50,
        max_iter=100,
        n_iter_no_change=np.inf,
        random_state=0,
    ).fit(X_train, y_train)
    probabilities = model.predict_proba(X_test)
    confidence, share, count = reliability(probabilities, y_test)
    gap = np.average(np.abs(confidence - share), weights=count)
    print(
        f"label_smoothing={smoothing:.2f}: accuracy {model.score(X_test, y_test):.3f}, "
        f"log loss {log_loss(y_test, probabilities):.2f}, "
        f"mean gap between confidence and share {gap:.3f}"
    )
    left.plot(confidence, share, "o-", label=f"label_smoothing={smoothing:g}")
    right.hist(
        probabilities.max(axis=1), bins=np.linspace(0.3, 1, 29), histtype="step", linewidth=1.5
    )
left.set(xlabel="confidence", ylabel="share of right answers")
right.set(xlabel="confidence", ylabel="test samples")
left.legend()
plt.show()

# %%
# A little smoothing removes the overconfidence and more than halves the log loss. With too much,
# the network is less confident than it should be. Smoothing helps against overconfidence, not
# against overfitting: here the accuracy hardly changes, and on the digits with noisy pixels it gets
# worse.
