"""
Solvers on a small curve
========================

Least squares with a few dozen weights is what ``levenberg_marquardt`` does best, and ``lbfgs`` is
not far behind. ``rprop`` needs no search for a learning rate. ``adam`` and ``sgd`` are made for
data that are too large for a full batch, which is not the case here.
"""

# %%
# The data are 200 samples of a curve. The network has one hidden layer of ten tanh units: 31
# weights.

import warnings
from time import perf_counter
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning

from fastbp import BackpropRegressor

# Fits of a fixed number of epochs end with a ConvergenceWarning, which is intended here.
warnings.filterwarnings("ignore", category=ConvergenceWarning)

rng = np.random.default_rng(0)
x = np.sort(rng.uniform(-1, 1, 200))
y = np.sin(8 * x) * np.exp(-x) + 0.05 * rng.normal(size=x.size)
X = x[:, np.newaxis]

settings: dict[str, Any] = dict(hidden_layer_sizes=(10,), activation="tanh", alpha=0, tol=1e-7)
solvers: dict[str, dict[str, Any]] = {
    "levenberg_marquardt": dict(max_iter=100),
    "lbfgs": dict(max_iter=1000),
    "rprop": dict(max_iter=1000, learning_rate_init=0.01, n_iter_no_change=50),
    "adam": dict(max_iter=1000, learning_rate_init=0.01, batch_size=200, n_iter_no_change=50),
    "sgd": dict(max_iter=1000, learning_rate_init=0.1, batch_size=200, n_iter_no_change=50),
}

# %%
# Every solver starts from the same three sets of weights. A step of Levenberg-Marquardt costs more
# than a gradient, so the figure also gives the time.

fig, ax = plt.subplots(figsize=(9, 5))
for solver, parameters in solvers.items():
    losses, start = [], perf_counter()
    for seed in range(3):
        model = BackpropRegressor(random_state=seed, **settings, **parameters)
        model.set_params(solver=solver).fit(X, y)
        losses.append(model.loss_curve_)
    seconds = (perf_counter() - start) / len(losses)
    best = min(losses, key=lambda curve: curve[-1])
    ax.plot(np.arange(1, len(best) + 1), best, label=f"{solver}: {1e3 * seconds:.0f} ms a fit")
    print(
        f"{solver:19}  loss of the three starts: "
        + "  ".join(f"{curve[-1]:.5f}" for curve in sorted(losses, key=lambda c: c[-1]))
    )
ax.axhline(0.05**2 / 2, color="k", linestyle="--", label="the noise: half its variance")
ax.set(xscale="log", yscale="log", xlabel="iteration or epoch", ylabel="loss, best of three starts")
ax.legend()
plt.show()

# %%
# Counted in iterations, the order is clear. In time it is not: an epoch with 31 weights costs
# almost nothing, so even the slow solvers finish soon, though not at the minimum. A step of
# Levenberg-Marquardt solves a system with as many unknowns as there are weights; with a few
# thousand weights it is the slowest of all.
