"""Trainer.step: a step along a gradient from elsewhere is the step of a batch that has it."""

from types import SimpleNamespace

import numpy as np
import pytest
from internals import OPTIMIZERS, kernels

from fastbp import Network
from fastbp.data import Targets, kernel_samples

SETTINGS = {
    "solver": "adam",
    "learning_rate_init": 0.1,
    "alpha": 0.3,
    "l1_ratio": 0.25,
    "weight_decay": 0.0,
    "max_grad_norm": None,
    "dropout": 0.0,
    "input_dropout": 0.0,
    "momentum": 0.9,
    "nesterovs_momentum": True,
    "beta_1": 0.9,
    "beta_2": 0.999,
    "epsilon": 1e-8,
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("more", [{}, {"max_grad_norm": 0.01}, {"weight_decay": 0.5}], ids=str)
@pytest.mark.parametrize("solver", OPTIMIZERS)
def test_a_step_along_the_gradient_of_a_batch(build, solver, more, dtype):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((20, 4)).astype(dtype), rng.standard_normal((20, 2)).astype(dtype)
    samples = kernel_samples(X, Targets.matrix(y))
    settings = SimpleNamespace(**(SETTINGS | {"solver": solver} | more))
    n = len(X)
    l2, l1 = 0.3 * 0.75 / (2 * n), 0.3 * 0.25 / n
    by_batches = Network([4, 5, 2], l2=l2, l1=l1, dtype=dtype, random_state=0)
    by_steps = by_batches.copy()
    size = kernels.core.N_MOMENTS[solver], by_batches.n_params
    groups = np.array([10, by_batches.n_params], np.intp), np.array([1.0, 0.5])

    def trainer(network, samples, batch_size):
        how = {"batch_size": batch_size, "n_steps": 0.0, "groups": groups}
        return network.trainer(samples, np.zeros(size, dtype), settings, **how)

    batches = trainer(by_batches, samples, n)
    # of samples that have nothing to do with the gradient
    steps = trainer(by_steps, kernel_samples(X[:1], Targets.matrix(y[:1])), 1)
    evaluator = by_steps.evaluator(samples, l2=l2, l1=l1)
    grad = np.empty(by_steps.n_params, dtype)
    for number in 1, 2, 3:
        batches.train_epoch(np.arange(n))
        evaluator.evaluate(by_steps.params, grad)
        steps.step(grad)
        np.testing.assert_array_equal(by_steps.params, by_batches.params)
        assert steps.n_steps == batches.n_steps == number


def test_a_gradient_of_another_size_or_type():
    network = Network([4, 5, 2], random_state=0)
    samples = kernel_samples(np.zeros((1, 4)), Targets.matrix(np.zeros((1, 2))))
    trainer = network.trainer(
        samples,
        np.zeros((2, network.n_params)),
        SimpleNamespace(**SETTINGS),
        batch_size=1,
        n_steps=0.0,
    )
    for wrong in np.zeros(network.n_params - 1), np.zeros(network.n_params, np.float32):
        with pytest.raises(ValueError):
            trainer.step(wrong)
