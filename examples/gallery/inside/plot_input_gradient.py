"""
Which pixels matter: gradients by the input
===========================================

``Network.input_gradient`` returns the gradient of each sample's own loss by its inputs,
``Network.input_jacobian`` the gradient of each output. Both cost about one backward pass.
"""

# %%
# The network of a fitted classifier is ``network_``.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from fastbp import BackpropClassifier

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X / 16, y, random_state=0)
model = BackpropClassifier(
    (50,), activation="gelu", learning_rate_init=0.003, alpha=0.1, tol=1e-3, random_state=0
).fit(X_train, y_train)
print(f"test accuracy {model.score(X_test, y_test):.3f}")

gradients = model.network_.input_gradient(X_test, y_test)
print("input_gradient:", gradients.shape)

# %%
# The negative gradient shows how each pixel should change to make the digit more typical: red asks
# for more ink, blue for less.

chosen = [int(np.flatnonzero(y_test == digit)[0]) for digit in range(10)]
fig, axes = plt.subplots(2, 10, figsize=(12, 2.8))
for k, i in enumerate(chosen):
    axes[0, k].imshow(X_test[i].reshape(8, 8), cmap="gray_r")
    wanted = -gradients[i].reshape(8, 8)
    bound = np.abs(wanted).max()
    axes[1, k].imshow(wanted, cmap="RdBu_r", vmin=-bound, vmax=bound)
for ax in axes.flat:
    ax.set_axis_off()
plt.show()

# %%
# A few steps the other way
# -------------------------
#
# If we follow the gradient upwards, a digit is soon taken for another one. Each step moves every
# pixel by at most 0.02.

names = "pixels moved by at most", "accuracy"
print(f"{names[0]:>24} {names[1]:>9}")
X_moved, strengths, accuracies = X_test.copy(), [0.0], [model.score(X_test, y_test)]
for step in range(1, 13):
    X_moved += 0.02 * np.sign(model.network_.input_gradient(X_moved, y_test))
    strengths.append(0.02 * step)
    accuracies.append(model.score(X_moved, y_test))
for strength, accuracy in zip(strengths[::4], accuracies[::4], strict=True):
    print(f"{strength:24.2f} {accuracy:9.3f}")

noise = np.random.default_rng(0).choice([-1.0, 1.0], np.shape(X_test))
fig, ax = plt.subplots(figsize=(7, 4))
ax.plot(strengths, accuracies, "o-", label="along the gradient")
ax.plot(
    strengths, [model.score(X_test + s * noise, y_test) for s in strengths], "s-", label="at random"
)
ax.set(xlabel="every pixel moved by at most (ink is 0 to 1)", ylabel="test accuracy", ylim=(0, 1))
ax.legend()
plt.show()
