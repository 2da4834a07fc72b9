"""
Counts and amounts: Poisson and gamma
=====================================

Counts vary by about the root of their mean, costs and durations often in proportion to it. The
squared error treats a deviation of 5 the same at a mean of 1 and at a mean of 100. Half the Poisson
deviance and half the gamma deviance do not. Both losses come with the output ``"exp"``, so
predictions are positive.
"""

# %%
# There are two data sets with one feature and the same mean, exp(3 sin x): Poisson counts, and
# gamma-distributed amounts with shape 2.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import mean_gamma_deviance, mean_poisson_deviance

from fastbp import BackpropRegressor

rng = np.random.default_rng(0)


def mean(x):
    return np.exp(3 * np.sin(x))


def draw(distribution, n):
    x = np.sort(rng.uniform(-np.pi, np.pi, n))
    if distribution == "poisson":
        return x[:, np.newaxis], rng.poisson(mean(x)).astype(float)
    return x[:, np.newaxis], rng.gamma(2.0, mean(x) / 2)


# %%
# The squared error gets the same output, exp, so that both predictions are positive and only the
# loss differs.

deviances = {"poisson": mean_poisson_deviance, "gamma": mean_gamma_deviance}
fig, axes = plt.subplots(2, 2, figsize=(10, 7), sharex=True)
for column, (loss, deviance) in enumerate(deviances.items()):
    X, y = draw(loss, 400)
    X_test, y_test = draw(loss, 5000)
    linear, logarithmic = axes[:, column]
    for ax in (linear, logarithmic):
        ax.plot(X, y, ".", color="0.75", markersize=4, label="training samples")
        ax.plot(X_test, mean(X_test), "k--", label="true mean")
    for fitted in ("squared_error", loss):
        model = BackpropRegressor(
            (20,),
            activation="tanh",
            output_activation="exp",
            learning_rate_init=0.01,
            max_iter=2000,
            random_state=0,
        )
        model.set_params(loss=fitted).fit(X, y)
        predicted = model.predict(X_test)
        print(f"{loss} data, {fitted:13}: test deviance {deviance(y_test, predicted):.3f}")
        for ax in (linear, logarithmic):
            ax.plot(X_test, predicted, label=fitted)
    linear.set(title=f"{loss} data", ylabel="y")
    logarithmic.set(yscale="log", ylim=(0.02, 100), xlabel="x", ylabel="y (logarithmic)")
    linear.legend()
plt.show()

# %%
# On the linear scale the curves look alike. The logarithmic scale shows that the squared error
# cares little about the samples with a small mean, on the left.
