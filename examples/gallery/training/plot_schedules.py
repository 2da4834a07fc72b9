"""
Learning-rate schedules
=======================

How the rate changes from step to step, and what that does to the loss. All schedules shown here
work with ``sgd`` and ``adam``; scikit-learn's invscaling and adaptive are for ``sgd`` only.
"""

# %%
# The rates
# ---------
#
# The formulas of the schedules, for 60 epochs of 45 steps and ``learning_rate_init=0.01``.

import warnings
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from fastbp import BackpropClassifier

# Fits of a fixed number of epochs end with a ConvergenceWarning, which is intended here.
warnings.filterwarnings("ignore", category=ConvergenceWarning)

peak, n_epochs, n_steps = 0.01, 60, 45
t = np.arange(n_epochs * n_steps)
epoch = t // n_steps
total = len(t)
top = 0.3 * total - 1


def half_cosine(start, end, fraction):
    return end + (start - end) / 2 * (1 + np.cos(np.pi * fraction))


rates = {
    "constant": np.full(total, peak),
    "exponential": peak * 0.95**epoch,
    "cosine": half_cosine(peak, 0, t / total),
    "one_cycle": np.where(
        t <= top,
        half_cosine(peak / 25, peak, t / top),
        half_cosine(peak, peak / 250_000, (t - top) / (total - 1 - top)),
    ),
}
rates["cosine, warmup_epochs=5"] = rates["cosine"] * np.minimum((t + 1) / (5 * n_steps), 1)

fig, (linear, logarithmic) = plt.subplots(1, 2, figsize=(11, 4))
for name, values in rates.items():
    for ax in (linear, logarithmic):
        ax.plot(t / n_steps, values, "k:" if "warmup" in name else "-", label=name)
linear.set(xlabel="epoch", ylabel="learning rate")
logarithmic.set(xlabel="epoch", yscale="log", ylim=(1e-7, 2e-2))
logarithmic.legend(loc="lower left")
plt.show()

# %%
# A function of the epoch can be a schedule, too. This one gives the same weights as "exponential".

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X / 16, y, test_size=0.2, random_state=0)
settings: dict[str, Any] = dict(
    hidden_layer_sizes=(64,), learning_rate_init=peak, batch_size=32, random_state=0,
    n_iter_no_change=np.inf,
)  # fmt: skip
named = BackpropClassifier(learning_rate="exponential", max_iter=5, **settings)
by_function = BackpropClassifier(learning_rate=lambda e: peak * 0.95**e, max_iter=5, **settings)
named.fit(X_train, y_train)
by_function.fit(X_train, y_train)
print("the same weights:", np.array_equal(named.network_.params, by_function.network_.params))

# %%
# The losses
# ----------
#
# We train with adam on the digits for 60 epochs, without a stopping rule, which would end training
# before the rate has fallen.

variants: dict[str, dict[str, Any]] = {
    "constant": {},
    "exponential": {"learning_rate": "exponential"},
    "cosine": {"learning_rate": "cosine"},
    "one_cycle": {"learning_rate": "one_cycle"},
    "cosine, warmup_epochs=5": {"learning_rate": "cosine", "warmup_epochs": 5},
}
fig, (left, right) = plt.subplots(1, 2, figsize=(11, 4))
for name, parameters in variants.items():
    model = BackpropClassifier(max_iter=n_epochs, **settings, **parameters)
    model.fit(X_train, y_train, X_val=X_test, y_val=y_test)
    style = "k:" if "warmup" in name else "-"
    left.plot(model.loss_curve_, style, label=name)
    right.plot(model.validation_loss_curve_, style)
    print(
        f"{name:24} training loss {model.loss_:.5f}, test loss "
        f"{model.validation_loss_curve_[-1]:.3f}, accuracy {model.validation_scores_[-1]:.3f}"
    )
left.set(xlabel="epoch", ylabel="training loss", yscale="log")
right.set(xlabel="epoch", ylabel="test loss", yscale="log")
left.legend()
plt.show()

# %%
# A falling rate makes the curves smoother. Do not read much more into this picture: the training
# loss is smallest with the constant rate, and the test losses differ by about as much as from one
# random_state to the next. Averaged over five of them, cosine and one_cycle were a tenth lower.
