"""The training problems of all benchmarks: shapes, their synthetic data, their objective.

A Shape says what is trained and how. TABLES holds all of them, grouped as compare.py shows them:
Adam and relu from a net of 31 parameters to one of 670,000, the other solvers and activations, a
sparse matrix, incremental training, L-BFGS. A new row is one more Shape in a list.

    shape = find_shape("digits")
    X, y = shape.data("float32")          # the same for every library, y as scikit-learn takes it
    targets = shape.target_matrix(y, "float32")        # one-hot rows for libraries that need them
    params = shape.initial_params("float32", rng)      # every library starts from these
    coefs, intercepts = shape.layer_views(params)
    shape.orders(epochs, rng)                          # the order of the rows in each epoch
    shape.n_steps(epochs), shape.megaflops
    shape.objective(X, y, coefs, intercepts)           # what training lowers, in any library

Inputs are standard normal. Targets come from a random tanh teacher, with noise. So there is
something to learn, and nothing degenerates: no dead features, no perfect fit, no moments that
decay into denormals, which would slow down some libraries only.
"""

from dataclasses import dataclass, replace
from itertools import pairwise
from math import prod

import numpy as np

ALPHA = 1e-4
LEARNING_RATE = 1e-3
SEED = 0
LBFGS_ITERATIONS = 50
INCREMENTAL_EPOCHS = 20


@dataclass(frozen=True)
class Shape:
    """One training problem: sizes of the data and the net, and how it is trained.

    The output determines the loss: half the squared error for "identity" and "squared_logistic"
    (a logistic output unit), log loss for "logistic" (two classes) and "softmax".
    """

    name: str
    n_samples: int
    n_features: int
    hidden: tuple
    n_outputs: int
    batch_size: int
    output: str = "identity"
    activation: str = "relu"
    solver: str = "adam"  # or "lbfgs", or "sgd": with Nesterov momentum unless momentum is 0
    learning_rate: float = LEARNING_RATE
    momentum: float = 0.9
    alpha: float = ALPHA
    shuffle: bool = True
    density: float = 1.0  # below 1: X is a CSR matrix
    dtypes: tuple = ("float64", "float32")

    @property
    def layer_sizes(self):
        return (self.n_features, *self.hidden, self.n_outputs)

    @property
    def n_coefs(self):
        return sum(fan_in * fan_out for fan_in, fan_out in pairwise(self.layer_sizes))

    @property
    def n_params(self):
        return self.n_coefs + sum(self.layer_sizes[1:])

    @property
    def is_regression(self):
        return self.output in ("identity", "squared_logistic")

    @property
    def megaflops(self):
        """The matrix products of one full batch, in millions of operations."""
        first = self.n_features * self.layer_sizes[1]
        later = self.n_coefs - first
        # three products a layer (outputs, coef_grads, deltas below), but no deltas below the first
        return 2e-6 * self.batch_size * (2 * self.density * first + 3 * later)

    def n_steps(self, epochs):
        """Steps of the optimizer; with lbfgs iterations, each over all rows."""
        return epochs * -(-self.n_samples // self.batch_size)

    def data(self, dtype):
        rng = np.random.RandomState(SEED)
        X = self._inputs(rng)
        teacher = rng.standard_normal((self.n_features, 8))
        teacher /= np.sqrt(self.n_features * self.density)
        scores = np.tanh(2 * X @ teacher) @ rng.standard_normal((8, self.n_outputs))
        scores += 0.3 * rng.standard_normal(scores.shape)
        X = X.astype(dtype)
        if self.output == "softmax":
            return X, scores.argmax(axis=1)
        if self.output == "logistic":
            return X, (scores.ravel() > 0).astype(int)
        if self.output == "squared_logistic":
            scores = 0.5 + 0.3 * np.tanh(scores)
        # targets of X's type: with float64 targets, scikit-learn trains in float64
        return X, np.ascontiguousarray(scores.squeeze(), dtype)

    def _inputs(self, rng):
        if self.density == 1:
            return rng.standard_normal((self.n_samples, self.n_features))
        from scipy import sparse

        per_row = round(self.density * self.n_features)
        entries = rng.standard_normal(self.n_samples * per_row)
        columns = rng.randint(self.n_features, size=entries.size)
        row_starts = np.arange(0, entries.size + 1, per_row)
        X = sparse.csr_matrix((entries, columns, row_starts), (self.n_samples, self.n_features))
        X.sum_duplicates()
        return X

    def target_matrix(self, y, dtype):
        """(n_samples, n_outputs): one-hot rows for softmax, else y as columns."""
        if self.output == "softmax":
            return np.eye(self.n_outputs, dtype=dtype)[y]
        return np.ascontiguousarray(y.reshape(len(y), -1), dtype)

    def layer_views(self, flat):
        """Views of flat's last axis by layer: the coefs, of shape (fan_in, fan_out), then the
        intercepts."""
        views, start = [], 0
        for sizes in [*pairwise(self.layer_sizes), *((n,) for n in self.layer_sizes[1:])]:
            end = start + prod(sizes)
            views.append(flat[..., start:end].reshape(*flat.shape[:-1], *sizes))
            start = end
        n_layers = len(self.layer_sizes) - 1
        return views[:n_layers], views[n_layers:]

    def initial_params(self, dtype, rng):
        """One flat vector: Glorot's uniform weights, drawn in scikit-learn's order."""
        params = np.empty(self.n_params, dtype)
        factor = 2 if self.activation == "logistic" else 6
        for coef, intercept in zip(*self.layer_views(params), strict=True):
            bound = np.sqrt(factor / sum(coef.shape))
            coef[:] = rng.uniform(-bound, bound, coef.shape)
            intercept[:] = rng.uniform(-bound, bound, intercept.shape)
        return params

    def orders(self, epochs, rng):
        """The order of the rows, epoch by epoch: shuffled again each time, as scikit-learn does."""
        order = np.arange(self.n_samples)
        for _ in range(epochs):
            if self.shuffle:
                order = order[rng.permutation(self.n_samples)]
            yield order

    def objective(self, X, y, coefs, intercepts):
        """Mean loss of all rows plus alpha/(2n) sum ||W||^2 with the n of a batch, in float64."""
        z = X.astype(np.float64)
        for layer, (coef, intercept) in enumerate(zip(coefs, intercepts, strict=True)):
            z = z @ np.asarray(coef, np.float64) + np.asarray(intercept, np.float64)
            if layer < len(coefs) - 1:
                z = HIDDEN[self.activation](z)
        penalty = sum(np.sum(np.square(coef, dtype=np.float64)) for coef in coefs)
        return LOSSES[self.output](z, y) + 0.5 * self.alpha / self.batch_size * penalty


# The plainest formulas there are: they judge the libraries, and nothing times them.
HIDDEN = {
    "relu": lambda z: np.maximum(z, 0),
    "logistic": lambda z: 1 / (1 + np.exp(-z)),
    "tanh": np.tanh,
}


def squared_error(outputs, y):
    return 0.5 * np.mean(np.sum((outputs - y.reshape(outputs.shape)) ** 2, axis=1))


def logistic_log_loss(z, y):
    return np.mean(np.logaddexp(0, z.ravel()) - y * z.ravel())


def softmax_log_loss(z, y):
    return np.mean(np.logaddexp.reduce(z, axis=1) - z[np.arange(len(z)), y])


LOSSES = {
    "identity": squared_error,
    "squared_logistic": lambda z, y: squared_error(HIDDEN["logistic"](z), y),
    "logistic": logistic_log_loss,
    "softmax": softmax_log_loss,
}

# Adam, relu
SHAPES = [
    Shape("tiny", 1_000, 1, (10,), 1, 32),
    Shape("small", 2_000, 10, (16,), 1, 32),
    Shape("diabetes", 442, 10, (100,), 1, 200),
    Shape("digits", 1_797, 64, (100,), 10, 200, output="softmax"),
    Shape("digits-32", 1_797, 64, (100,), 10, 32, output="softmax"),
    Shape("tabular", 50_000, 30, (64, 32), 1, 200, output="logistic"),
    Shape("wide", 10_000, 100, (256, 256), 10, 256, output="softmax"),
    Shape("images", 10_000, 784, (100,), 10, 200, output="softmax"),
    Shape("big", 10_000, 784, (512, 512), 10, 256, output="softmax"),
]
BY_NAME = {shape.name: shape for shape in SHAPES}

# One change in each.
VARIANTS = [
    replace(BY_NAME[name], name=f"{name}-{change}", **{field: change})
    for name in ("small", "digits", "wide")
    for field, change in (("solver", "sgd"), ("activation", "logistic"), ("activation", "tanh"))
]

# Ten entries a row, as in a bag of words.
SPARSE = [Shape("sparse", 20_000, 10_000, (64,), 10, 200, output="softmax", density=0.001)]


def incremental(name, n_features, hidden, n_outputs):
    """A step after every row, in the rows' order, as textbooks and FANN do it."""
    return Shape(
        name,
        2_000,
        n_features,
        hidden,
        n_outputs,
        batch_size=1,
        output="squared_logistic",
        activation="logistic",
        solver="sgd",
        learning_rate=0.01,  # small, so that no unit saturates: FANN would clip its derivative
        momentum=0.0,
        alpha=0.0,
        shuffle=False,
        dtypes=("float32",),
    )


INCREMENTAL = [
    incremental("incremental-125", 125, (32,), 2),
    incremental("incremental-14", 14, (16,), 3),
    incremental("incremental-32", 32, (64,), 1),
]


def full_batch(name, *sizes, **more):
    # float64 only: fastbp always computes lbfgs in it, scikit-learn mixes both types
    return Shape(name, *sizes, sizes[0], solver="lbfgs", dtypes=("float64",), **more)


LBFGS = [
    full_batch("lbfgs-small", 2_000, 10, (16,), 1),
    full_batch("lbfgs-diabetes", 442, 10, (100,), 1),
    full_batch("lbfgs-5000", 5_000, 20, (50,), 1, output="logistic"),
]

# title -> rows: all of them are fits, and all are measured in the same way
TABLES = {
    "Adam, relu": SHAPES,
    "Other solvers and activations, and a CSR matrix": [*VARIANTS, *SPARSE],
    "Incremental training": INCREMENTAL,
    "L-BFGS": LBFGS,
}


def find_shape(name):
    shapes = [shape for table in TABLES.values() for shape in table]
    for shape in shapes:
        if shape.name == name:
            return shape
    raise ValueError(f"no shape {name!r}; there are {', '.join(s.name for s in shapes)}")
