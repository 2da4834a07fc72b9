"""
Outliers: squared, Huber and absolute error
===========================================

A few outliers pull a least-squares fit towards them, since each error counts by its square. The
absolute error counts each error by its size. The Huber loss is the squared error near the target
and the absolute error beyond ``huber_delta``.
"""

# %%
# The data are a sine with noise of 0.1, in which one measurement in eight is 3 to 5 too high.

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning

from fastbp import BackpropRegressor

# Fits of a fixed number of epochs end with a ConvergenceWarning, which is intended here.
warnings.filterwarnings("ignore", category=ConvergenceWarning)

rng = np.random.default_rng(0)
x = np.sort(rng.uniform(-3, 3, 240))
truth = np.sin(x)
y = truth + 0.1 * rng.normal(size=x.size)
wild = rng.random(x.size) < 1 / 8
y[wild] += rng.uniform(3, 5, wild.sum())
X = x[:, np.newaxis]

# %%
# Each loss gets the same network and the same start. The rate falls along a cosine, since the
# gradient of the absolute error does not shrink near the minimum.

predicted = {}
for loss in ("squared_error", "huber", "absolute_error"):
    model = BackpropRegressor(
        (20,),
        activation="tanh",
        loss=loss,
        huber_delta=0.3,  # of the loss huber
        batch_size=40,
        learning_rate="cosine",
        learning_rate_init=0.02,
        max_iter=400,
        n_iter_no_change=np.inf,
        random_state=0,
    )
    predicted[loss] = model.fit(X, y).predict(X)
    error = np.sqrt(np.mean((predicted[loss] - truth) ** 2))
    print(f"{loss:15} root mean squared distance from the sine: {error:.3f}")

# %%
# The squared error ends up near the mean of the measurements, about half a unit too high. The other
# two follow the bulk of the data. They keep a small bias because all outliers are on one side: the
# median shifts a little, too.

fig, ax = plt.subplots(figsize=(8, 4.5))
ax.plot(x[~wild], y[~wild], ".", color="0.6", label="measured")
ax.plot(x[wild], y[wild], "x", color="0.6", label="measured, wild")
ax.plot(x, truth, "k--", label="truth")
for loss, curve in predicted.items():
    ax.plot(x, curve, label=loss)
ax.set(xlabel="x", ylabel="y")
ax.legend(loc="upper left", ncols=2)
plt.show()

# %%
# ``huber_delta`` is in units of y: smaller errors are treated as noise, larger ones as outliers.
# 0.3 is three times the noise. If you rescale y, rescale it as well.
