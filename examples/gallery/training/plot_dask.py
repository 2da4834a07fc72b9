"""
Data in partitions
==================

``fastbp.dask`` trains on partitions that lie with the workers of a Dask cluster. In a round, the
workers get the parameters, and a sum comes back. The solver decides what is added: with lbfgs
gradients, so that the fit is that of all data; with adam in batches parameters, which each
partition has trained for itself. Here is what that costs. Without a cluster, as here, this process
does the work, with the same result.
"""

# %%
# Two ways to divide the same rows
# --------------------------------
#
# Eight thousand samples of eight classes in eight partitions: once in random order, once sorted, so
# that each partition holds a single class.

import warnings

import dask.array as da
import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning

from fastbp import BackpropClassifier
from fastbp.dask import DaskBackpropClassifier

# Fits of a fixed number of rounds end with a ConvergenceWarning, which is intended here.
warnings.filterwarnings("ignore", category=ConvergenceWarning)

n_rows, n_classes, n_partitions = 8000, 8, 8
rng = np.random.default_rng(0)
centres = rng.normal(size=(n_classes, 10))
y = np.arange(n_rows) % n_classes
X = centres[y] + rng.normal(size=(n_rows, 10))
y_test = np.arange(2000) % n_classes
X_test = centres[y_test] + rng.normal(size=(2000, 10))

rows_of = {"random order": rng.permutation(n_rows), "sorted by class": np.argsort(y, kind="stable")}


def partitions(array, rows):
    return da.concatenate([da.from_array(part) for part in np.split(array[rows], n_partitions)])


# %%
# lbfgs: gradients are added
# --------------------------
#
# The sum of the gradients of all partitions is the gradient of all data, however they are divided.
# The fits differ from one of the whole in rounding alone.

whole = BackpropClassifier((16,), solver="lbfgs", max_iter=30, random_state=0).fit(X, y)
for name, rows in rows_of.items():
    parted = DaskBackpropClassifier((16,), solver="lbfgs", max_iter=30, random_state=0)
    parted.fit(partitions(X, rows), partitions(y, rows))
    difference = np.abs(np.subtract(parted.loss_curve_, whole.loss_curve_)[:10]).max()
    print(f"{name:16} {parted.n_rounds_} rounds, first ten losses differ by {difference:.0e}")

# %%
# adam in batches: parameters are averaged
# ----------------------------------------
#
# In a round each partition trains ``n_local_epochs`` epochs on its own rows. More of them need
# fewer rounds, as long as each partition is a fair sample of all data. Partitions of one class pull
# the parameters in different directions, the further the more epochs they have.

n_passes = 12
fig, axes = plt.subplots(1, 2, figsize=(11, 4.5), sharey=True)
for ax, (name, rows) in zip(axes, rows_of.items(), strict=True):
    for n_local_epochs in (1, 3, 6):
        model = DaskBackpropClassifier(
            (16,),
            batch_size=25,
            n_local_epochs=n_local_epochs,
            max_iter=n_passes // n_local_epochs,
            random_state=0,
        )
        model.fit(partitions(X, rows), partitions(y, rows), X_val=X_test, y_val=y_test)
        passes = n_local_epochs * np.arange(1, model.n_iter_ + 1)
        label = f"n_local_epochs={n_local_epochs}: {model.n_rounds_} rounds"
        ax.plot(passes, model.validation_loss_curve_, "o-", label=label)
    ax.set(title=name, xlabel="passes over the data")
    ax.legend()
axes[0].set_ylabel("loss of other samples")
plt.tight_layout()
plt.show()

# %%
# So rows are to be shuffled before they are divided; where they cannot be, lbfgs or rprop are the
# solvers to take.
