"""How each library trains a Shape: one function a library, all of the same form.

    run(shape, X, y, epochs) -> (coefs, intercepts)      coefs of shape (fan_in, fan_out)

A call is all that a user of the library waits for: checks, initial weights, encoding of the
targets, shuffling, every step, and the training loss of every epoch. Initial weights, the order
of the rows, Adam's constants and the L2 penalty are the same in all of them, so that all end with
the same weights up to rounding; timing.py checks that before it prints a number.

RIVALS has the columns: what must be installed, a loader, which imports the library and returns
its run function, and which shapes the library can train. `load_rivals(n_threads)` skips what is
not installed. threadpoolctl limits every BLAS (compare.py), PyTorch has its own setting (here),
JAX reads NPROC (compare.py); FANN and Numba's loops have one thread.
"""

from collections.abc import Callable
from ctypes.util import find_library
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from itertools import pairwise

import numpy as np
from instruments.workloads import SEED

from rivals import numpy_mlp

FASTBP = "fastbp"
FASTBP_ALONE = "fastbp, 1 thread"  # a column of the rows in which the others have two
SKLEARN = "scikit-learn"


def load_numpy():
    return fit_numpy


def fit_numpy(shape, X, y, epochs):
    net = numpy_mlp.fit(
        X,
        y,
        shape.hidden,
        activation=shape.activation,
        output=shape.output,
        solver=shape.solver,
        alpha=shape.alpha,
        batch_size=shape.batch_size,
        learning_rate_init=shape.learning_rate,
        momentum=shape.momentum,
        max_iter=epochs,
        shuffle=shape.shuffle,
        random_state=SEED,
    )
    return net.coefs, net.intercepts


def load_sklearn():
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    return partial(fit_estimator, MLPClassifier, MLPRegressor)


def load_fastbp(n_threads=1):
    from fastbp import BackpropClassifier, BackpropRegressor

    return partial(fit_estimator, BackpropClassifier, BackpropRegressor, n_threads=n_threads)


def fit_estimator(classifier, regressor, shape, X, y, epochs, **settings):
    """epochs are lbfgs's iterations."""
    if shape.output == "squared_logistic":
        settings["output_activation"] = "logistic"  # fastbp's alone
    estimator = (regressor if shape.is_regression else classifier)(
        hidden_layer_sizes=shape.hidden,
        activation=shape.activation,
        solver=shape.solver,
        alpha=shape.alpha,
        batch_size=shape.batch_size,
        learning_rate_init=shape.learning_rate,
        momentum=shape.momentum,
        nesterovs_momentum=shape.momentum > 0,
        shuffle=shape.shuffle,
        # never stops early: every library makes the same number of steps
        max_iter=epochs,
        max_fun=100 * epochs,
        tol=0.0,
        n_iter_no_change=epochs,
        random_state=SEED,
        **settings,
    )
    estimator.fit(X, y)
    return estimator.coefs_, estimator.intercepts_


def load_jax():
    from rivals import jax_mlp

    return jax_mlp.run


def load_numba():
    from rivals import numba_mlp

    return numba_mlp.run


def load_fann():
    from rivals import fann

    return fann.run


def load_torch():
    return fit_torch


def fit_torch(shape, X, y, epochs):
    """Eager PyTorch with the fused optimizer; index_select is up to four times faster than []."""
    import torch

    rng = np.random.RandomState(SEED)
    model = torch_model(shape, torch.from_numpy(X).dtype, rng)
    optimizer = torch_optimizer(shape, model)
    loss_function = torch_loss(shape.output)
    inputs, targets = torch.from_numpy(X), torch_targets(shape, X, y)
    order, epoch_losses = np.arange(len(X)), []
    for _ in range(epochs):
        if shape.shuffle:
            order = order[rng.permutation(len(X))]
        total = 0.0
        for rows in torch.from_numpy(order).split(shape.batch_size):
            optimizer.param_groups[0]["weight_decay"] = shape.alpha / len(rows)
            optimizer.zero_grad()
            z = model(inputs.index_select(0, rows))
            loss = loss_function(z, targets.index_select(0, rows))
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        epoch_losses.append(total / len(X))
    params = [param.detach().numpy() for param in model.parameters()]
    return [weight.T for weight in params[::2]], params[1::2]


def torch_model(shape, dtype, rng):
    from torch import from_numpy, nn, no_grad

    activation = {
        "identity": nn.Identity,
        "relu": nn.ReLU,
        "logistic": nn.Sigmoid,
        "tanh": nn.Tanh,
    }[shape.activation]
    layers = []
    for fan_in, fan_out in pairwise(shape.layer_sizes):
        layer = nn.Linear(fan_in, fan_out, dtype=dtype)
        bound = np.sqrt((2 if shape.activation == "logistic" else 6) / (fan_in + fan_out))
        with no_grad():
            layer.weight.copy_(from_numpy(rng.uniform(-bound, bound, (fan_in, fan_out)).T))
            layer.bias.copy_(from_numpy(rng.uniform(-bound, bound, fan_out)))
        layers += [layer, activation()]
    return nn.Sequential(*layers[:-1])


def torch_optimizer(shape, model):
    from torch import optim

    weights = [param for param in model.parameters() if param.ndim == 2]
    biases = [param for param in model.parameters() if param.ndim == 1]
    # the penalty is on the weights only; its factor is set for every batch
    groups = [{"params": weights, "weight_decay": shape.alpha}, {"params": biases}]
    make = {
        "adam": optim.Adam,
        "sgd": partial(optim.SGD, momentum=shape.momentum, nesterov=shape.momentum > 0),
    }[shape.solver]
    try:
        return make(groups, lr=shape.learning_rate, fused=True)
    except (RuntimeError, TypeError):  # PyTorch before 2.4 has no fused optimizer for the CPU
        return make(groups, lr=shape.learning_rate)


def torch_loss(output):
    from torch import sigmoid
    from torch.nn import functional

    def half_squared_error(y_hat, y):
        # mse_loss averages over the outputs too
        return 0.5 * y.shape[1] * functional.mse_loss(y_hat, y)

    return {
        "identity": half_squared_error,
        "squared_logistic": lambda z, y: half_squared_error(sigmoid(z), y),
        "logistic": functional.binary_cross_entropy_with_logits,
        "softmax": functional.cross_entropy,
    }[output]


def torch_targets(shape, X, y):
    from torch import from_numpy

    if shape.output == "softmax":
        return from_numpy(y)
    return from_numpy(np.ascontiguousarray(y.reshape(len(y), -1), X.dtype))


# --- the columns


def takes_everything(shape):
    return True


def takes_dense_batches(shape):
    return shape.solver != "lbfgs" and shape.density == 1


def takes_mini_batches(shape):
    # a row at a time, PyTorch's overhead is some hundred times the work
    return takes_dense_batches(shape) and shape.batch_size > 1


def takes_canonical_losses(shape):
    return shape.output != "squared_logistic"


def takes_incremental(shape):
    # the pair of output and loss that FANN knows
    return shape.batch_size == 1 and shape.output == "squared_logistic"


@dataclass(frozen=True)
class Rival:
    """A column: the module (or C library) it needs, its loader, the shapes it can train."""

    module: str
    load: Callable
    takes: Callable = takes_dense_batches
    is_c_library: bool = False

    @property
    def is_installed(self):
        return bool((find_library if self.is_c_library else find_spec)(self.module))


# fastbp last, beside the ratios
RIVALS = {
    "NumPy": Rival("numpy", load_numpy),
    "Numba": Rival("numba", load_numba),
    SKLEARN: Rival("sklearn", load_sklearn, takes_canonical_losses),
    "PyTorch": Rival("torch", load_torch, takes_mini_batches),
    "JAX": Rival("jax", load_jax),
    "FANN": Rival("floatfann", load_fann, takes_incremental, is_c_library=True),
    FASTBP: Rival("fastbp", load_fastbp, takes_everything),
}


def load_rivals(n_threads=1):
    """title -> (run function, takes), of every library that is installed."""
    rivals = {
        title: (rival.load(), rival.takes) for title, rival in RIVALS.items() if rival.is_installed
    }
    if "PyTorch" in rivals:
        import torch

        torch.set_num_threads(n_threads)
    return rivals
