"""
Outliers: squared, Huber and absolute error
===========================================

A few wild measurements pull a least-squares fit towards them, since an error counts by its
square. The absolute error counts it once; the Huber loss is the squared error near the target and
the absolute error beyond ``huber_delta``.
"""

# %%
# A sine with noise of 0.1, in which one measurement in eight reads 3 to 5 too high.

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning

from fastbp import BackpropRegressor

# Fits of a fixed number of epochs end with a ConvergenceWarning; here that is what is wanted.
warnings.filterwarnings("ignore", category=ConvergenceWarning)

rng = np.random.default_rng(0)
x = np.sort(rng.uniform(-3, 3, 240))
truth = np.sin(x)
y = truth + 0.1 * rng.normal(size=x.size)
wild = rng.random(x.size) < 1 / 8
y[wild] += rng.uniform(3, 5, wild.sum())
X = x[:, np.newaxis]

# %%
# The same network and the same start for each loss. The rate falls along a cosine, since the
# gradient of the absolute error does not get smaller near the minimum.

losses = {
    "squared_error": {},
    "huber": {"huber_delta": 0.3},
    "absolute_error": {},
}
predicted = {}
for loss, parameters in losses.items():
    model = BackpropRegressor(
        (20,),
        activation="tanh",
        loss=loss,
        batch_size=40,
        learning_rate="cosine",
        learning_rate_init=0.02,
        max_iter=400,
        n_iter_no_change=np.inf,
        random_state=0,
    )
    predicted[loss] = model.set_params(**parameters).fit(X, y).predict(X)
    error = np.sqrt(np.mean((predicted[loss] - truth) ** 2))
    print(f"{loss:15} root mean squared distance from the sine: {error:.3f}")

# %%
# The squared error ends up near the mean of what was measured, about half a unit too high. The
# other two follow the bulk. What is left of their bias comes from the outliers being all on one
# side: the median shifts a little, too.

fig, ax = plt.subplots(figsize=(8, 4.5))
ax.plot(x[~wild], y[~wild], ".", color="0.6", label="measured")
ax.plot(x[wild], y[wild], "x", color="0.6", label="measured, wild")
ax.plot(x, truth, "k--", label="truth")
for loss in losses:
    ax.plot(x, predicted[loss], label=loss)
ax.set(xlabel="x", ylabel="y")
ax.legend(loc="upper left", ncols=2)
plt.show()

# %%
# ``huber_delta`` is in units of y: errors within it are treated as noise, errors beyond it as
# outliers. With 0.3 it is three times the noise. Where y is scaled, it has to be scaled along.
