"""
Initial weights of your own
===========================

``initialize`` builds the network without training it, with random weights or with yours.
``fit`` continues from there if ``warm_start=True``; ``partial_fit`` always does.
"""

# %%
# Before any training
# -------------------
#
# An initialised estimator can predict and has ``network_``, ``coefs_`` and (for a classifier)
# ``classes_``.

import warnings
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning

from fastbp import BackpropRegressor

# Fits of a fixed number of epochs end with a ConvergenceWarning, which is intended here.
warnings.filterwarnings("ignore", category=ConvergenceWarning)

rng = np.random.default_rng(0)
x = np.sort(rng.uniform(-3, 3, 300))
y = np.sin(3 * x) + 0.3 * x + 0.1 * rng.normal(size=x.size)
X = x[:, np.newaxis]

settings: dict[str, Any] = dict(
    hidden_layer_sizes=(20,), activation="tanh", batch_size=50,
    learning_rate="cosine", learning_rate_init=0.01, max_iter=500, n_iter_no_change=np.inf,
    warm_start=True, random_state=0,
)  # fmt: skip
drawn = BackpropRegressor(**settings).initialize(X, y)
print("loss before training:", round(drawn.network_.loss(X, y), 3))

# %%
# A better start
# --------------
#
# Here the tanh units bend at places spread over the data, and the output weights are the ridge
# solution for these units. This closed form is where training starts.

slopes = rng.choice([-1, 1], 20) * rng.uniform(1, 4, 20)
bends = rng.uniform(-3, 3, 20)
hidden = np.tanh(X * slopes - slopes * bends)
design = np.column_stack([hidden, np.ones(x.size)])
solution = np.linalg.solve(design.T @ design + 0.1 * np.eye(21), design.T @ y)

given = BackpropRegressor(**settings).initialize(
    X,
    y,
    coefs=[slopes[np.newaxis], solution[:20, np.newaxis]],
    intercepts=[-slopes * bends, solution[20:]],
)
print("loss of the ridge solution:", round(given.network_.loss(X, y), 5))

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2))
left.plot(x, y, ".", color="0.75")
left.plot(x, drawn.predict(X), label="drawn weights, untrained")
left.plot(x, given.predict(X), label="ridge solution, untrained")
for name, model in (("drawn weights", drawn), ("ridge solution", given)):
    model.fit(X, y)
    right.plot(model.loss_curve_, label=f"from {name}")
    print(f"from {name}: {model.network_.loss(X, y):.5f} after {model.n_iter_} epochs")
left.set(xlabel="x", ylabel="y")
right.set(xlabel="epoch", ylabel="loss", yscale="log")
left.legend()
right.legend()
plt.show()
