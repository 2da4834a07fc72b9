"""
Finding wrong labels by per-sample gradients
============================================

A sample with a much larger gradient than the others still pulls at the weights after they have come
to rest: it is rare, hard or wrong. ``Network.per_sample_gradient_norms`` returns the Euclidean norm
of every sample's gradient without forming the gradients.
"""

# %%
# One digit in twenty gets a wrong label.

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import average_precision_score, precision_recall_curve
from sklearn.model_selection import StratifiedKFold

from fastbp import BackpropClassifier

# Fits of a fixed number of epochs end with a ConvergenceWarning, which is intended here.
warnings.filterwarnings("ignore", category=ConvergenceWarning)

X, y_true = load_digits(return_X_y=True)
X = X / 16
rng = np.random.default_rng(0)
wrong = rng.random(y_true.size) < 0.05
y = np.where(wrong, (y_true + rng.integers(1, 10, y_true.size)) % 10, y_true)
print(f"{wrong.sum()} of {y.size} labels are wrong")

# %%
# A network that is trained long enough also fits wrong labels. So each norm comes from a network
# that was trained without that sample, in five folds.

norms = np.empty(y.size)
for train, test in StratifiedKFold(5, shuffle=True, random_state=0).split(X, y):
    model = BackpropClassifier(
        (50,), learning_rate_init=0.01, alpha=0.1, max_iter=40, n_iter_no_change=np.inf,
        random_state=0,
    ).fit(X[train], y[train])  # fmt: skip
    norms[test] = model.network_.per_sample_gradient_norms(X[test], y[test])

# %%
# These are the norms of the rows of per_sample_gradients.

rows = model.network_.per_sample_gradients(X[test][:10], y[test][:10])
assert np.allclose(np.linalg.norm(rows, axis=1), norms[test][:10])

suspects = np.argsort(norms)[::-1]
found = wrong[suspects[: wrong.sum()]].sum()
print(f"of the {wrong.sum()} largest norms, {found} belong to wrong labels")
print(f"average precision {average_precision_score(wrong, norms):.3f}")

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4))
bins = np.geomspace(norms.min(), norms.max(), 50)
left.hist(norms[~wrong], bins, label="right label", alpha=0.7)
left.hist(norms[wrong], bins, label="wrong label", alpha=0.7)
left.set(xscale="log", yscale="log", xlabel="norm of the sample's gradient", ylabel="samples")
left.legend()
precision, recall, _ = precision_recall_curve(wrong, norms)
right.plot(recall, precision)
right.set(xlabel="share of the wrong labels found", ylabel="share of suspects that are wrong")
plt.show()

# %%
# The samples with the twelve largest norms, with their label and the digit that they show.

fig, axes = plt.subplots(2, 6, figsize=(9, 3.6))
for ax, i in zip(axes.flat, suspects, strict=False):
    ax.imshow(X[i].reshape(8, 8), cmap="gray_r")
    ax.set_title(f"labelled {y[i]}, is {y_true[i]}", fontsize=9)
    ax.set_axis_off()
plt.show()
