"""The training problems that every benchmark runs: shapes, their synthetic data, their objective.

SHAPES is the table, from a net of 31 parameters to one of 670 000. A new row (another solver,
activation or batch size) is one more Shape in the list.

    shape = find_shape("digits")
    X, y = shape.data("float32")          # the same for every library, y as scikit-learn takes it
    shape.n_steps(epochs), shape.megaflops
    shape.objective(X, y, coefs, intercepts)   # what training lowers, for any library's result

Inputs are standard normal. Targets come from a random tanh teacher with some noise, so that there
is something to learn and nothing degenerates: no dead features, no perfect fit, and no moments
that decay into denormals, which would slow some libraries and not others.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

ALPHA = 1e-4
LEARNING_RATE = 1e-3
SEED = 0


@dataclass(frozen=True)
class Shape:
    """One training problem: sizes of data and net, and how it is trained."""

    name: str
    n_samples: int
    n_features: int
    hidden: tuple
    n_outputs: int
    batch_size: int
    output: str = "identity"  # "identity" regression, "logistic" two classes, "softmax" several
    activation: str = "relu"
    solver: str = "adam"

    @property
    def layer_sizes(self):
        return (self.n_features, *self.hidden, self.n_outputs)

    @property
    def megaflops(self):
        """Work of the matrix products of one full batch, in millions of operations."""
        products = [fan_in * fan_out for fan_in, fan_out in pairwise(self.layer_sizes)]
        # three products a layer (forward, weight gradient, delta), but no delta for the input
        return 2e-6 * self.batch_size * (3 * sum(products) - products[0])

    def n_steps(self, epochs):
        return epochs * -(-self.n_samples // self.batch_size)

    def data(self, dtype):
        rng = np.random.RandomState(SEED)
        X = rng.standard_normal((self.n_samples, self.n_features))
        teacher = rng.standard_normal((self.n_features, 8)) / np.sqrt(self.n_features)
        scores = np.tanh(2 * X @ teacher) @ rng.standard_normal((8, self.n_outputs))
        scores += 0.3 * rng.standard_normal(scores.shape)
        X = np.ascontiguousarray(X, dtype)
        if self.output == "softmax":
            return X, scores.argmax(axis=1)
        if self.output == "logistic":
            return X, (scores.ravel() > 0).astype(int)
        # float32 too: scikit-learn would train in float64 on float64 targets
        return X, np.ascontiguousarray(scores.squeeze(), dtype)

    def objective(self, X, y, coefs, intercepts):
        """Mean loss on all rows plus alpha/(2n) ||W||^2 for the batch's n, in float64."""
        z = np.asarray(X, np.float64)
        for layer, (coef, intercept) in enumerate(zip(coefs, intercepts, strict=True)):
            z = z @ np.asarray(coef, np.float64) + np.asarray(intercept, np.float64)
            if layer < len(coefs) - 1:
                z = HIDDEN[self.activation](z)
        penalty = sum(np.sum(np.square(coef, dtype=np.float64)) for coef in coefs)
        return LOSSES[self.output](z, y) + 0.5 * ALPHA / self.batch_size * penalty


# The plainest formulas there are: they judge the libraries and are never timed.
HIDDEN = {
    "identity": lambda z: z,
    "relu": lambda z: np.maximum(z, 0),
    "logistic": lambda z: 1 / (1 + np.exp(-z)),
    "tanh": np.tanh,
}


def squared_error(z, y):
    return 0.5 * np.mean(np.sum((z - y.reshape(z.shape)) ** 2, axis=1))


def logistic_log_loss(z, y):
    return np.mean(np.logaddexp(0, z.ravel()) - y * z.ravel())


def softmax_log_loss(z, y):
    return np.mean(np.logaddexp.reduce(z, axis=1) - z[np.arange(len(z)), y])


LOSSES = {
    "identity": squared_error,
    "logistic": logistic_log_loss,
    "softmax": softmax_log_loss,
}

SHAPES = [
    Shape("tiny", 1_000, 1, (10,), 1, 32),
    Shape("small", 2_000, 10, (16,), 1, 32),
    Shape("diabetes", 442, 10, (100,), 1, 200),
    Shape("digits", 1_797, 64, (100,), 10, 200, output="softmax"),
    Shape("digits-32", 1_797, 64, (100,), 10, 32, output="softmax"),
    Shape("tabular", 50_000, 30, (64, 32), 1, 200, output="logistic"),
    Shape("wide", 20_000, 100, (256, 256), 10, 256, output="softmax"),
    Shape("images", 20_000, 784, (100,), 10, 200, output="softmax"),
    Shape("big", 20_000, 784, (512, 512), 10, 256, output="softmax"),
]


def find_shape(name):
    for shape in SHAPES:
        if shape.name == name:
            return shape
    raise ValueError(f"no shape {name!r}; there are {', '.join(s.name for s in SHAPES)}")
