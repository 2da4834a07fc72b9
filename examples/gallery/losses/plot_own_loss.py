"""
A loss of your own
==================

Any object with two methods can be a loss: ``loss(y, outputs)`` returns one value per sample, and
``gradient(y, outputs)`` its derivative by the outputs of the network. Both work on whole batches of
NumPy arrays; everything else stays compiled.
"""

# %%
# Here, predicting too little costs more than predicting too much. The LINEX loss,
# :math:`e^{-a d} + a d - 1` with :math:`d = p - y`, grows exponentially on one side and linearly
# on the other.

import matplotlib.pyplot as plt
import numpy as np

from fastbp import BackpropRegressor, Network, check_gradient


class Linex:
    def __init__(self, a):
        self.a = a

    def loss(self, y, outputs):
        d = self.a * (outputs - y)
        return (np.exp(-d) + d - 1).sum(axis=1)

    def gradient(self, y, outputs):
        d = self.a * (outputs - y)
        return self.a * (1 - np.exp(-d))


# %%
# Before any training, check that the two methods belong together: the gradient of the network
# depends on both.

rng = np.random.default_rng(0)
X = np.sort(rng.uniform(-3, 3, (600, 1)), axis=0)
y = np.cos(X[:, 0]) + 0.3 * rng.normal(size=600)

net = Network([1, 5, 1], activation="tanh", loss=Linex(2.0), random_state=0)
print(check_gradient(net, X, y))

# %%
# A wrong sign is found at once.


class WrongLinex(Linex):
    def gradient(self, y, outputs):
        return -super().gradient(y, outputs)


wrong = Network([1, 5, 1], activation="tanh", loss=WrongLinex(2.0), random_state=0)
print("passed:", check_gradient(wrong, X, y).passed)

# %%
# The larger a, the farther the prediction is above the mean; with a negative a it is below. For
# normal noise of variance :math:`\sigma^2`, the best prediction is the mean plus
# :math:`a \sigma^2 / 2`.

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2))
d = np.linspace(-2, 2, 200)[:, np.newaxis]
right.plot(X, y, ".", color="0.75")
right.plot(X, np.cos(X), "k--", label="true mean")
for a in (-3.0, 1.0, 3.0):
    left.plot(d, Linex(a).loss(np.zeros_like(d), d), label=f"a = {a:g}")
    model = BackpropRegressor(
        (20,), activation="tanh", loss=Linex(a), learning_rate_init=0.01, max_iter=2000,
        random_state=0,
    ).fit(X, y)  # fmt: skip
    above = np.mean(model.predict(X) - np.cos(X[:, 0]))
    print(f"a = {a:4.1f}: {above:6.3f} above the mean; in theory {a * 0.3**2 / 2:6.3f}")
    right.plot(X, model.predict(X), label=f"a = {a:g}")
left.set(xlabel="prediction minus target", ylabel="loss", ylim=(0, 10))
right.set(xlabel="x", ylabel="y")
left.legend()
right.legend()
plt.show()
