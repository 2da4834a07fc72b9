"""
Steps that throw training off: clipped gradients
================================================

One batch with a huge gradient can undo many good steps. ``max_grad_norm`` scales the gradient of
such a batch down to that norm and leaves smaller gradients alone.
"""

# %%
# The data are a sine in which one measurement in two hundred is fifty times too large. With the
# squared error, its gradient is larger by the same factor. (Against wrong measurements, a robust
# loss is better. Here they stand for measurements that are rare but right.)

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning

from fastbp import BackpropRegressor

# Fits of a fixed number of epochs end with a ConvergenceWarning, which is intended here.
warnings.filterwarnings("ignore", category=ConvergenceWarning)

rng = np.random.default_rng(0)
x = rng.uniform(-3, 3, 1000)
y = np.sin(x) + 0.1 * rng.normal(size=x.size)
y[rng.choice(x.size, 5, replace=False)] *= 50
X = x[:, np.newaxis]
X_val = np.linspace(-3, 3, 200)[:, np.newaxis]
y_val = np.sin(X_val[:, 0])

# %%
# The network is trained by gradient descent with momentum, in batches of 20. After each epoch we
# record the loss on the sine itself.

curves = {}
for max_grad_norm in (None, 1.5, 0.5):
    model = BackpropRegressor(
        (20,),
        activation="tanh",
        solver="sgd",
        learning_rate_init=0.02,
        batch_size=20,
        max_grad_norm=max_grad_norm,
        max_iter=100,
        n_iter_no_change=np.inf,
        random_state=0,
    ).fit(X, y, X_val=X_val, y_val=y_val)
    curves[max_grad_norm] = model.validation_loss_curve_
    print(f"max_grad_norm={max_grad_norm}: median loss {np.median(curves[max_grad_norm]):.4f}")

fig, ax = plt.subplots(figsize=(8, 4.5))
for max_grad_norm, curve in curves.items():
    ax.semilogy(curve, label=f"max_grad_norm={max_grad_norm}")
ax.set(xlabel="epoch", ylabel="loss on the sine")
ax.set_ylim(top=4)
ax.legend(loc="upper center", ncols=3)
plt.show()

# %%
# A good bound is a little larger than the norm of a usual gradient.
# ``np.linalg.norm(model.network_.loss_gradient(X, y).flat)`` is the norm for all samples together,
# and ``model.network_.per_sample_gradient_norms(X, y)`` gives those of single samples.
