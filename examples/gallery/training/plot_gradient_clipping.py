"""
Steps that throw training off: clipped gradients
================================================

One batch with a huge gradient can undo many good steps. ``max_grad_norm`` scales the gradient of
such a batch down to that norm; the others are left as they are.
"""

# %%
# A sine of which one measurement in two hundred reads fifty times too much. The squared error makes
# its gradient larger by as much. (A robust loss would be the better remedy for wrong measurements;
# here they stand for rare but right ones.)

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning

from fastbp import BackpropRegressor

# Fits of a fixed number of epochs end with a ConvergenceWarning; here that is what is wanted.
warnings.filterwarnings("ignore", category=ConvergenceWarning)

rng = np.random.default_rng(0)
x = rng.uniform(-3, 3, 1000)
y = np.sin(x) + 0.1 * rng.normal(size=x.size)
y[rng.choice(x.size, 5, replace=False)] *= 50
X = x[:, np.newaxis]
X_val = np.linspace(-3, 3, 200)[:, np.newaxis]
y_val = np.sin(X_val[:, 0])

# %%
# Plain gradient descent with momentum, in batches of 20, and the loss on the sine itself after each
# epoch.

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
# A good bound is somewhat above the norm of the usual gradients:
# ``np.linalg.norm(model.network_.loss_gradient(X, y).flat)`` is that of all samples, and
# ``model.network_.per_sample_gradient_norms(X, y)`` those of single ones.
