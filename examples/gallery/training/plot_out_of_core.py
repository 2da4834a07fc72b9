"""
More data than memory
=====================

``fit_batches`` trains on rows that come in batches. It shuffles them in a buffer, and a thread
reads the next ones meanwhile. The first part shows how far a row moves in the buffer, the second
what that means for a file that is sorted.
"""

# %%
# The buffer
# ----------
#
# Two thousand rows are read in their order. A loss of our own notes which of them are trained, step
# by step. A buffer of all rows mixes them completely, as ``fit`` does. A buffer of 200 rows lets
# them move by a few hundred places.

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning

from fastbp import BackpropClassifier, BackpropRegressor

# Fits of a fixed number of epochs end with a ConvergenceWarning, which is intended here.
warnings.filterwarnings("ignore", category=ConvergenceWarning)


class NotedSteps:
    """Half the squared error; notes the targets of each step."""

    def __init__(self):
        self.targets = []

    def loss(self, y, outputs):
        return ((outputs - y) ** 2).sum(axis=1) / 2

    def gradient(self, y, outputs):
        self.targets += y[:, 0].tolist()
        return outputs - y


X = np.random.default_rng(0).normal(size=(2000, 3))
row_numbers = np.arange(2000.0)


def rows():
    for start in range(0, 2000, 100):
        yield X[start : start + 100], row_numbers[start : start + 100]


fig, axes = plt.subplots(1, 3, figsize=(11, 4), sharex=True, sharey=True)
for ax, buffer_rows in zip(axes, (2000, 600, 200), strict=True):
    noted = NotedSteps()
    model = BackpropRegressor((2,), loss=noted, batch_size=20, max_iter=1, random_state=0)
    model.fit_batches(rows, buffer_rows=buffer_rows)
    ax.plot(noted.targets, ".", markersize=2)
    ax.set(title=f"buffer_rows={buffer_rows}", xlabel="trained as number ...")
axes[0].set_ylabel("row of the file")
plt.tight_layout()
plt.show()

# %%
# A sorted file
# -------------
#
# Sixteen thousand samples of four classes lie in a file, sorted by class. Five fits:
#
# - ``fit`` has all rows in memory;
# - ``fit_batches`` with a buffer for all rows, which must be the same;
# - ``fit_batches`` with a buffer for an eighth of them: it sees one class after the other;
# - the same on batches that are put together from four places of the file;
# - a loop over ``partial_fit`` on the batches of the sorted file.

n_rows, n_classes = 16_000, 4
rng = np.random.default_rng(1)
centres = rng.normal(scale=0.9, size=(n_classes, 10))
y = np.repeat(np.arange(n_classes), n_rows // n_classes)
X = centres[y] + rng.normal(size=(n_rows, 10))
y_test = np.tile(np.arange(n_classes), 500)
X_test = centres[y_test] + rng.normal(size=(len(y_test), 10))


def sorted_batches():
    for start in range(0, n_rows, 500):
        yield X[start : start + 500], y[start : start + 500]


def batches_of_four_places():
    quarter = n_rows // 4
    for start in range(0, quarter, 125):
        places = [slice(start + k * quarter, start + k * quarter + 125) for k in range(4)]
        yield np.concatenate([X[p] for p in places]), np.concatenate([y[p] for p in places])


def make_model():
    return BackpropClassifier((30,), max_iter=10, tol=0.0, learning_rate_init=0.01, random_state=0)


few = {"buffer_rows": n_rows // 8, "classes": range(n_classes), "X_val": X_test, "y_val": y_test}
models = {
    "fit": make_model().fit(X, y, X_val=X_test, y_val=y_test),
    "all rows": make_model().fit_batches(sorted_batches, X_val=X_test, y_val=y_test),
    "an eighth, sorted": make_model().fit_batches(sorted_batches, **few),
    "an eighth, from four places": make_model().fit_batches(batches_of_four_places, **few),
}
assert (models["fit"].network_.params == models["all rows"].network_.params).all()

looped = make_model()
looped_scores = []
for _ in range(10):
    for X_batch, y_batch in sorted_batches():
        looped.partial_fit(X_batch, y_batch, classes=range(n_classes))
    looped_scores.append(looped.score(X_test, y_test))

fig, ax = plt.subplots(figsize=(8, 4.5))
epochs = range(1, 11)
for name, model in models.items():
    style = {"fit": "-", "all rows": "k:"}.get(name, "--")
    ax.plot(epochs, model.validation_scores_, style, label=name)
ax.plot(epochs, looped_scores, "-.", label="loop over partial_fit, sorted")
ax.set(xlabel="epoch", ylabel="accuracy on other samples", ylim=(0.6, 1))
ax.legend(loc="lower right")
plt.show()

# %%
# What sees one class at a time ends with a network that has forgotten a part of the others. Where
# the batches come from four places of the file, a buffer for an eighth of the rows is as good as
# one for all.

for name, model in models.items():
    print(f"{name:28} {model.score(X_test, y_test):.3f}")
print(f"{'loop over partial_fit':28} {looped_scores[-1]:.3f}")
