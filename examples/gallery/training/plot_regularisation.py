"""
Dropout, weight decay, penalties
================================

Four ways to keep a network that is too large from learning its samples by heart, on the same
small data set.
"""

# %%
# We train on 300 of the digits and test on the other 1497. The pixels are noisy.

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

X, y = load_digits(return_X_y=True)
X = X / 16 + 0.3 * np.random.default_rng(0).normal(size=X.shape)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, train_size=300, stratify=y, random_state=0
)

variants: dict[str, dict[str, Any]] = {
    "nothing": {},
    "alpha=0.3": {"alpha": 0.3},
    "alpha=0.1, l1_ratio=1": {"alpha": 0.1, "l1_ratio": 1.0},
    "weight_decay=1": {"weight_decay": 1.0},
    "dropout=0.5": {"dropout": 0.5},
    "dropout=0.5, input_dropout=0.2": {"dropout": 0.5, "input_dropout": 0.2},
}

# %%
# Here X_val is only recorded; it stops nothing. It is the test set, so the figures below must not
# be used to choose between the variants. They only show what each variant does.

fig, (left, right) = plt.subplots(1, 2, figsize=(11, 4.5))
for name, parameters in variants.items():
    model = BackpropClassifier(
        (200,),
        **{"alpha": 0.0, **parameters},
        learning_rate_init=0.003,
        batch_size=50,
        max_iter=100,
        n_iter_no_change=np.inf,
        random_state=0,
    ).fit(X_train, y_train, X_val=X_test, y_val=y_test)
    left.plot(model.validation_loss_curve_, label=name)
    magnitudes = np.sort(np.abs(model.coefs_[0]).ravel())
    right.plot(magnitudes, np.linspace(0, 1, magnitudes.size))
    print(
        f"{name:31} training accuracy {model.score(X_train, y_train):.3f}, test accuracy "
        f"{model.score(X_test, y_test):.3f}, test loss {model.validation_loss_curve_[-1]:.3f}"
    )
left.set(xlabel="epoch", ylabel="test loss", ylim=(0.2, 1.2))
left.legend()
right.set(
    xscale="log", xlim=(1e-4, 2), xlabel="magnitude of a weight of the first layer",
    ylabel="share of weights below",
)  # fmt: skip
plt.show()

# %%
# Without regularisation, the loss is smallest after about fifteen epochs and then rises, while the
# accuracy stays the same: the network becomes more and more sure of its mistakes. Penalties and
# weight decay stop that; dropout of the hidden units delays it. With the L1 penalty, one weight in
# fifteen counts, and most of the others are within a thousandth of zero. With ``solver="lbfgs"``
# they would be exactly zero.
