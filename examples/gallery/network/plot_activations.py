"""
Activations, and one for each layer
===================================

The activation functions of hidden units with their derivatives, computed by the network itself, and
how each of them does on the same small problem.
"""

# %%
# A network with one input, one hidden unit and weights of one computes just its activation. The
# derivative is the Jacobian of the output by the input.

import warnings
from typing import get_args

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_moons
from sklearn.exceptions import ConvergenceWarning

from fastbp import BackpropClassifier, Network
from fastbp.types import Activation

# Fits of a fixed number of epochs end with a ConvergenceWarning, which is intended here.
warnings.filterwarnings("ignore", category=ConvergenceWarning)

names = get_args(Activation)  # "identity", "logistic", "tanh", ...
z = np.linspace(-4, 4, 401)[:, np.newaxis]

fig, axes = plt.subplots(3, 4, figsize=(11, 7), sharex=True, sharey=True)
for ax, name in zip(axes.flat, names, strict=False):
    net = Network([1, 1, 1], activation=name, fit_intercept=False)
    net.params[:] = 1
    ax.plot(z, net.forward(z), label="g(z)")
    ax.plot(z, net.input_jacobian(z)[:, 0, 0], label="g'(z)")
    ax.set(title=name, ylim=(-2, 4))
axes[0, 0].legend()
axes.flat[-1].set_axis_off()
plt.show()

# %%
# The smooth relatives of relu differ only near zero: three of them dip below zero, and leaky_relu
# and elu let something through where relu lets nothing through.
#
# Training
# --------
#
# The data are two half moons. The networks have two hidden layers of ten units and are trained with
# adam. ``activation`` takes one name for all hidden layers, or a sequence with one name per layer.

X, y = make_moons(400, noise=0.2, random_state=0)
choices = [*names[1:], ("tanh", "relu"), ("relu", "tanh")]

fig, ax = plt.subplots(figsize=(9, 5))
for i, activation in enumerate(choices):
    curves = [
        BackpropClassifier(
            (10, 10),
            activation=activation,
            learning_rate_init=0.01,
            batch_size=50,
            max_iter=100,
            n_iter_no_change=np.inf,
            random_state=seed,
        )
        .fit(X, y)
        .loss_curve_
        for seed in range(5)
    ]
    label = activation if isinstance(activation, str) else ", ".join(activation)
    style = ("-", "--", ":")[i // 6 if isinstance(activation, str) else 2]
    ax.plot(np.mean(curves, axis=0), style, label=label)
ax.set(xlabel="epoch", ylabel="loss, mean of five starts", yscale="log")
ax.legend(ncols=3)
plt.show()

# %%
# Of the five starts with relu, three get stuck at a loss of 0.27: in so small a network, a few
# units that are zero for every sample matter. leaky_relu has no such units. (It also starts from
# other weights: He's instead of Glorot's.) With a hundred units per layer, none gets stuck.
