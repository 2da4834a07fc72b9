"""
Several quantiles that never cross
==================================

``loss="quantile"`` with a list fits all quantiles of the list with one network. Its output
(``"increasing"``) adds a positive amount from each column to the next, so a higher quantile is
never below a lower one, whatever the input.
"""

# %%
# The noise grows with x, so the nine deciles have to spread. A hundred samples are not many for
# that.

import warnings
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import mean_pinball_loss

from fastbp import BackpropRegressor

# Fits of a fixed number of epochs end with a ConvergenceWarning, which is intended here.
warnings.filterwarnings("ignore", category=ConvergenceWarning)


def draw(n, rng):
    x = np.sort(rng.uniform(-2.5, 2.5, n))
    return x[:, np.newaxis], np.sin(2 * x) + (0.6 + 0.2 * x) * rng.normal(size=n)


rng = np.random.default_rng(0)
X, y = draw(100, rng)
X_test, y_test = draw(5000, rng)
quantiles = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
settings: dict[str, Any] = dict(
    hidden_layer_sizes=(20,),
    activation="tanh",
    loss="quantile",
    batch_size=20,
    learning_rate="cosine",
    learning_rate_init=0.01,
    max_iter=400,
    n_iter_no_change=np.inf,
    random_state=0,
)

together = BackpropRegressor(quantile=quantiles, **settings).fit(X, y).predict(X_test)
print("predict gives", together.shape)

# %%
# Nine networks, one per quantile, know nothing about each other.

apart = np.column_stack(
    [BackpropRegressor(quantile=q, **settings).fit(X, y).predict(X_test) for q in quantiles]
)

# %%
# Each quantile should have its share of new samples below it. With a hundred training samples, it
# is a few hundredths off. The single network is not better at the loss, but it keeps the order.

for name, columns in (("one network", together), ("nine networks", apart)):
    losses = [
        mean_pinball_loss(y_test, column, alpha=q)
        for q, column in zip(quantiles, columns.T, strict=True)
    ]
    crossing = (np.diff(columns, axis=1) < 0).any(axis=1).mean()
    below = (y_test[:, np.newaxis] <= columns).mean(axis=0)
    print(f"{name:13}  pinball loss {np.mean(losses):.4f}, quantiles cross at {crossing:.1%}")
    print("   share below:", "  ".join(f"{share:.2f}" for share in below))

colors = plt.colormaps["viridis"](np.linspace(0, 0.9, len(quantiles)))
fig, axes = plt.subplots(1, 2, figsize=(10, 4.5), sharey=True)
for ax, columns, title in zip(
    axes, (together, apart), ("one network, quantile=[...]", "nine networks"), strict=True
):
    ax.plot(X, y, ".", color="0.6", markersize=4)
    crossing = (np.diff(columns, axis=1) < 0).any(axis=1)
    ax.fill_between(
        X_test[:, 0], 0, 1, where=crossing, color="tab:red", alpha=0.2, linewidth=0,
        transform=ax.get_xaxis_transform(), label="crossing" if crossing.any() else None,
    )  # fmt: skip
    for q, column, color in zip(quantiles, columns.T, colors, strict=True):
        ax.plot(X_test, column, color=color, label=f"{q:g}" if q in (0.1, 0.5, 0.9) else None)
    ax.set(title=title, xlabel="x")
    ax.legend(loc="upper left", ncols=2)
axes[0].set_ylabel("y")
plt.show()
