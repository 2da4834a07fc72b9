"""
Data in pieces, limited time
============================

``partial_fit`` trains on one piece of data at a time and continues from where it stood. With
``X_val`` it records the validation loss. ``max_time`` limits a fit to a number of seconds.
"""

# %%
# A stream
# --------
#
# Six thousand samples come in pieces of a hundred. After half of them, the world changes: the sign
# of one feature flips. The validation set is from the new world.

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from fastbp import BackpropClassifier

# Fits of a fixed number of epochs end with a ConvergenceWarning, which is intended here.
warnings.filterwarnings("ignore", category=ConvergenceWarning)

rng = np.random.default_rng(0)


def piece(n, sign):
    X = rng.normal(size=(n, 5))
    return X, (X[:, 0] * X[:, 1] + sign * X[:, 2] > 0).astype(int)


X_before, y_before = piece(1000, 1)
X_after, y_after = piece(1000, -1)
model = BackpropClassifier((32,), learning_rate_init=0.01, batch_size=20, random_state=0)
scores_before = []
for k in range(60):
    X, y = piece(100, 1 if k < 30 else -1)
    model.partial_fit(X, y, classes=[0, 1], X_val=X_after, y_val=y_after)
    scores_before.append(model.score(X_before, y_before))

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4), sharex=True)
left.plot(model.loss_curve_, label="training loss of each piece")
left.plot(model.validation_loss_curve_, label="validation loss (new world)")
right.plot(model.validation_scores_, "C1", label="validation accuracy (new world)")
right.plot(scores_before, "C2", label="accuracy in the old world")
for ax in (left, right):
    ax.axvline(29.5, color="k", linestyle=":")
    ax.set_xlabel("piece")
left.set(ylabel="loss", ylim=(0, 3.4))
right.set(ylabel="accuracy", ylim=(0, 1.25))
for ax in (left, right):
    ax.legend(loc="upper left")
plt.show()

# %%
# A deadline
# ----------
#
# The fit stops after the epoch in which the time is over, with a ConvergenceWarning, and keeps what
# it has learned so far.

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X / 16, y, random_state=0)
for max_time in (0.01, 0.05, 0.25):
    model = BackpropClassifier(
        (100,), max_time=max_time, max_iter=10**6, n_iter_no_change=np.inf, random_state=0
    ).fit(X_train, y_train)
    print(
        f"max_time={max_time:4.2f} s: {model.n_iter_:3} epochs, "
        f"test accuracy {model.score(X_test, y_test):.3f}"
    )
