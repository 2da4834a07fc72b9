"""Levenberg-Marquardt: damped Gauss-Newton steps, for squared_error and few parameters.

Takes a Run with a float64 Network; moves its parameters to a minimum of its objective. With
r_i = loss_scale w_i / sum w and J_i the Jacobian of the outputs of sample i by the parameters
(n_outputs, n_params), the step d solves

    (H + mu mean(diag H) I) d = -gradient,     H = sum_i r_i J_i' J_i + 2 l2 I_coefs.

mu starts at 0.001. It is divided by 10 when the step has lowered the objective; otherwise it is
multiplied by 10 and the step is tried again. Because of the mean of the diagonal, mu is a pure
number: its meaning depends neither on the number of samples nor on the scale of weights and loss.
Marquardt's own scaling, by diag H, took up to twice as many steps on scaled inputs; it was better
on unscaled ones.

Levenberg, "A method for the solution of certain non-linear problems in least squares", Quarterly of
Applied Mathematics 2 (1944). Marquardt, "An algorithm for least-squares estimation of nonlinear
parameters", SIAM Journal on Applied Mathematics 11 (1963). Hagan and Menhaj, "Training feedforward
networks with the Marquardt algorithm", IEEE Transactions on Neural Networks 5 (1994), for nets and
the factors of mu.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.linalg.blas import dsyrk

from ..threads import call_with_blas_threads
from .run import Run, diverged

FIRST_DAMPING, SMALLEST_DAMPING, LARGEST_DAMPING = 1e-3, 1e-15, 1e10
DAMPING_FACTOR = 10.0
# Close to a minimum the loss no longer tells a better point from a worse one; the gradient does.
ROUNDING = 4 * np.finfo(float).eps

MAX_BYTES = 2**31
# A block of the Jacobian: 8 MiB, but never so few rows that H is read and written for little work.
BLOCK_ENTRIES, LEAST_BLOCK_ROWS = 2**20, 128
# Multiplications of an iteration below which BLAS gets one thread: a second would save a fraction
# of a second, and costs many times that where another process is on its core.
LEAST_THREADED_WORK = 5e9


def solve(run: Run) -> None:
    """Minimise the network's objective over its parameters."""
    network, settings, state = run.network, run.settings, run.state
    if state.n_iter == 0:
        run.loss, state.damping = np.nan, None
    # the last iteration that the curves have, and what was reached in it
    counted = state.n_iter, network.params.copy(), run.loss

    def end_iteration(loss, damping):
        nonlocal counted
        run.loss, state.damping = loss, damping
        stops = run.monitor.after_iteration(loss)
        counted = state.n_iter, network.params.copy(), loss
        run.end_epoch()
        return stops

    try:
        found = minimize(
            network,
            run.data,
            max_iter=settings.max_iter,
            tol=settings.tol,
            end_iteration=end_iteration,
            n_iter=state.n_iter,
            damping=FIRST_DAMPING if state.damping is None else state.damping,
            n_threads=settings.n_threads,
            samples=run.samples,
        )
    except KeyboardInterrupt:
        if state.n_iter == counted[0]:
            _, network.params, run.loss = counted
        raise
    run.loss = found.loss
    if not found.converged:
        run.complaint = found.message


def require(settings, n_params, n_outputs):
    """ValueError for an objective or a network that this solver cannot minimise."""
    if settings.loss != "squared_error" or (settings.alpha and settings.l1_ratio):
        raise ValueError(
            "solver='levenberg_marquardt' minimises squares: it needs loss='squared_error' "
            f"and l1_ratio=0, got loss={settings.loss!r} and l1_ratio={settings.l1_ratio}."
        )
    check_size(n_params, n_outputs)


@dataclass(frozen=True)
class Stop:
    """Why a run has ended.

    Attributes
    ----------
    loss : float
        J at the network's parameters.
    converged : bool
        Whether the gradient came down to `tol`, or `end_iteration` ended the run.
    message : str
        What to tell the user where it has not.
    """

    loss: float
    converged: bool
    message: str = ""


def minimize(
    network,
    data,
    *,
    max_iter,
    tol,
    end_iteration,
    n_iter=0,
    damping=FIRST_DAMPING,
    n_threads=None,
    samples=None,
):
    """Levenberg-Marquardt steps until the gradient is small.

    Parameters
    ----------
    network : Network of dtype float64, loss squared_error
        Its parameters are always those of the start or of the last iteration, so that it can be
        used after an exception, for example after Ctrl-C.
    data : DataSet of float64
    max_iter : int
    tol : float
        The largest entry of the gradient at which to stop.
    end_iteration : callable
        Given loss and damping after each iteration; True ends the run.
    n_iter, damping : int, float
        Where the run has come to, of one that is resumed.
    n_threads : int, default=None
        Of the compiled calls, and of BLAS, which gets one for small products whatever is asked
        for; by default as many as are worthwhile.
    samples : Samples of the kernels, default=None
        Of the data, where there are such already.

    Returns
    -------
    Stop

    Raises
    ------
    ValueError
        When there are too many parameters, and when the loss or its derivatives are not finite.
    """
    n_params, n_outputs = network.n_params, network.layer_sizes[-1]
    check_size(n_params, n_outputs)
    work = (len(data) * n_outputs + n_params) * n_params**2
    blas_threads = n_threads
    if work < LEAST_THREADED_WORK:
        blas_threads = 1
        n_threads = n_threads or 1
    samples = data.kernel_samples() if samples is None else samples
    arguments = network, data, samples, max_iter, tol, end_iteration, n_iter, damping, n_threads
    return call_with_blas_threads(blas_threads, lambda: _minimize(*arguments))


def _minimize(network, data, samples, max_iter, tol, end_iteration, n_iter, damping, n_threads):
    evaluator = network.evaluator(samples, l2=network.l2, n_threads=n_threads)
    normal = _NormalEquations(network, data, n_threads)
    grad, trial_grad = np.empty_like(network.params), np.empty_like(network.params)
    loss = evaluator.evaluate(network.params, grad)
    if not isfinite(loss):
        raise diverged("loss", "iteration 0 of levenberg_marquardt")
    while not np.abs(grad).max() <= tol:
        if n_iter == max_iter:
            return _not_converged(loss, grad, tol, n_iter, f"Increase max_iter={max_iter}")
        if not (normal.assemble() and np.isfinite(grad).all()):
            raise diverged("derivatives", f"iteration {n_iter + 1} of levenberg_marquardt")
        while True:
            trial = normal.step(grad, damping)
            if trial is not None:
                trial += network.params
                trial_loss = evaluator.evaluate(trial, trial_grad)
                if trial_loss < loss or (
                    trial_loss <= loss * (1 + ROUNDING)
                    and np.abs(trial_grad).max() < np.abs(grad).max()
                ):
                    break
            damping *= DAMPING_FACTOR
            if damping > LARGEST_DAMPING:
                advice = "No step lowers the loss any more: increase tol, or avoid relu's kinks"
                return _not_converged(loss, grad, tol, n_iter, advice)
        damping = max(damping / DAMPING_FACTOR, SMALLEST_DAMPING)
        network.params = trial
        loss, grad, trial_grad = trial_loss, trial_grad, grad
        n_iter += 1
        if end_iteration(loss, damping):
            break
    return Stop(loss, True)


def check_size(n_params, n_outputs):
    """ValueError for a network whose matrices would take too much memory."""
    n_bytes = 8 * n_params * (2 * n_params + _block_samples(n_params, n_outputs) * n_outputs)
    if n_bytes > MAX_BYTES:
        raise ValueError(
            "solver='levenberg_marquardt' works with matrices of n_params x n_params numbers: the "
            f"{n_params} parameters of this network would take {n_bytes / 2**30:.3g} GiB of "
            f"memory, more than {MAX_BYTES // 2**30} GiB. Use solver='lbfgs' or 'adam', or smaller "
            "hidden layers."
        )


def _block_samples(n_params, n_outputs):
    """Samples whose Jacobian is computed at a time."""
    return max(1, max(LEAST_BLOCK_ROWS, BLOCK_ENTRIES // n_params) // n_outputs)


def _not_converged(loss, grad, tol, n_iter, advice):
    found = f"{n_iter} iteration(s): the largest entry of the gradient is {np.abs(grad).max():.3g}"
    message = (
        f"levenberg_marquardt failed to converge after {found}, tol={tol:g}. {advice}, or scale "
        "the data (StandardScaler)."
    )
    return Stop(loss, False, message)


class _NormalEquations:
    """H, its lower triangle, and the steps that it gives; all memory is allocated once."""

    def __init__(self, network, data, n_threads=None):
        self.network, self.X, self.n_threads = network, data.X, n_threads
        n_samples, n_params, n_outputs = len(data), network.n_params, network.layer_sizes[-1]
        weights = np.ones(n_samples) if data.weights is None else data.weights
        total = weights.sum() if network.reduction == "mean" else 1.0
        self.root_weights = np.sqrt(network.loss_scale * (weights / total))
        self.block = min(_block_samples(n_params, n_outputs), n_samples)
        self.jacobian = np.empty((self.block, n_outputs, n_params))
        # in Fortran's order, as BLAS and LAPACK need it to work in place
        self.matrix, self.damped = np.empty((2, n_params, n_params)).transpose(0, 2, 1)
        self.n_coefs = sum(coefs.size for coefs in network.coefs)

    def assemble(self):
        """H at the network's parameters; whether it is finite."""
        network, matrix = self.network, self.matrix
        matrix[...] = 0
        for start in range(0, self.X.shape[0], self.block):
            X = self.X[start : start + self.block]
            n = X.shape[0]
            jacobian = network.jacobian(X, out=self.jacobian[:n], n_threads=self.n_threads)
            jacobian *= self.root_weights[start : start + n, np.newaxis, np.newaxis]
            rows = jacobian.reshape(-1, network.n_params)
            dsyrk(1.0, rows.T, 1.0, matrix, lower=True, overwrite_c=True)
        self.diagonal = np.einsum("jj->j", matrix)
        self.diagonal[: self.n_coefs] += 2 * network.l2
        # an entry is at most the root of the product of two on the diagonal
        return isfinite(self.diagonal.sum())

    def step(self, grad, damping):
        """d, or None where the damped matrix is not positive definite to rounding."""
        self.damped[...] = self.matrix
        np.einsum("jj->j", self.damped)[...] += damping * self.diagonal.mean()
        try:
            factor = cho_factor(self.damped, lower=True, overwrite_a=True, check_finite=False)
        except LinAlgError:
            return None
        return cho_solve(factor, -grad, overwrite_b=True, check_finite=False)
