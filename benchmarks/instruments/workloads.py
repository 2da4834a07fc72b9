"""The training problems that every benchmark runs: shapes, their synthetic data, their objective.

A Shape says what is trained and how; TABLES has them as compare.py shows them: Adam and relu from
a net of 31 parameters to one of 670 000, the other solvers and activations, a sparse matrix,
incremental training, L-BFGS. A new row is one more Shape in a list.

    shape = find_shape("digits")
    X, y = shape.data("float32")          # the same for every library, y as scikit-learn takes it
    shape.n_steps(epochs), shape.megaflops
    shape.objective(X, y, coefs, intercepts)   # what training lowers, for any library's result

Inputs are standard normal. Targets come from a random tanh teacher with some noise, so that there
is something to learn and nothing degenerates: no dead features, no perfect fit, and no moments
that decay into denormals, which would slow some libraries and not others.
"""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

ALPHA = 1e-4
LEARNING_RATE = 1e-3
SEED = 0
LBFGS_ITERATIONS = 50


@dataclass(frozen=True)
class Shape:
    """One training problem: sizes of data and net, and how it is trained.

    The loss is the output's: half the squared error for "identity" and "squared_logistic" (a
    logistic output without log loss), log loss for "logistic" (two classes) and "softmax".
    """

    name: str
    n_samples: int
    n_features: int
    hidden: tuple
    n_outputs: int
    batch_size: int
    output: str = "identity"
    activation: str = "relu"
    solver: str = "adam"  # "sgd" has Nesterov momentum, unless momentum is 0; "lbfgs"
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
    def is_regression(self):
        return self.output in ("identity", "squared_logistic")

    @property
    def megaflops(self):
        """Work of the matrix products of one full batch, in millions of operations."""
        products = [fan_in * fan_out for fan_in, fan_out in pairwise(self.layer_sizes)]
        products[0] *= self.density
        # three products a layer (forward, weight gradient, delta), but no delta for the input
        return 2e-6 * self.batch_size * (3 * sum(products) - products[0])

    def n_steps(self, epochs):
        """Optimizer steps; for lbfgs the iterations, each over all rows."""
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
        # float32 too: scikit-learn would train in float64 on float64 targets
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

    def objective(self, X, y, coefs, intercepts):
        """Mean loss on all rows plus alpha/(2n) ||W||^2 for the batch's n, in float64."""
        z = X.astype(np.float64)
        for layer, (coef, intercept) in enumerate(zip(coefs, intercepts, strict=True)):
            z = z @ np.asarray(coef, np.float64) + np.asarray(intercept, np.float64)
            if layer < len(coefs) - 1:
                z = HIDDEN[self.activation](z)
        penalty = sum(np.sum(np.square(coef, dtype=np.float64)) for coef in coefs)
        return LOSSES[self.output](z, y) + 0.5 * self.alpha / self.batch_size * penalty


# The plainest formulas there are: they judge the libraries and are never timed.
HIDDEN = {
    "identity": lambda z: z,
    "relu": lambda z: np.maximum(z, 0),
    "logistic": lambda z: 1 / (1 + np.exp(-z)),
    "tanh": np.tanh,
}


def squared_error(y_hat, y):
    return 0.5 * np.mean(np.sum((y_hat - y.reshape(y_hat.shape)) ** 2, axis=1))


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

# One thing changed in each.
VARIANTS = [
    replace(BY_NAME[name], name=f"{name}-{change}", **{field: change})
    for name in ("small", "digits", "wide")
    for field, change in (("solver", "sgd"), ("activation", "logistic"), ("activation", "tanh"))
]

# Ten entries in a row, as bags of words have them.
SPARSE = [Shape("sparse", 20_000, 10_000, (64,), 10, 200, output="softmax", density=0.001)]


def incremental(name, n_features, hidden, n_outputs):
    """A step for every row, in the rows' order, as textbooks and FANN do it."""
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
        learning_rate=0.01,  # so small that no unit saturates, where FANN clips derivatives
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
    # float64 only: fastbp computes in it for every input, scikit-learn mixes the two
    return Shape(name, *sizes, sizes[0], solver="lbfgs", dtypes=("float64",), **more)


LBFGS = [
    full_batch("lbfgs-small", 2_000, 10, (16,), 1),
    full_batch("lbfgs-diabetes", 442, 10, (100,), 1),
    full_batch("lbfgs-5000", 5_000, 20, (50,), 1, output="logistic"),
]

# title -> rows; all of them are fits, and measured alike
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
