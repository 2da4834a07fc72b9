"""L-BFGS: SciPy's, over the compiled loss and gradient of all samples.

Enters a float64 Network with its Samples; the parameters are moved to the minimum in place.

|W| has no derivative where weights are zero, which is where it drives them. So with an l1 penalty
the coefficients are w = u - v with u, v >= 0, and l1 sum (u + v) is smooth: the same minimum, under
bounds, which L-BFGS-B is made for. Weights that belong at zero end there exactly.
"""

import warnings

import numpy as np
import scipy.optimize
from sklearn.exceptions import ConvergenceWarning

from .. import _kernels
from .divergence import diverged
from .threads import blas_threads

LEAST_GAIN = 1e-9  # of the loss, by another run


def minimize(
    network, samples, *, max_iter, max_fun, tol, after_iteration, n_threads=1, may_shrink=False
):
    """Minimise the network's objective over its parameters.

    Parameters
    ----------
    network : Network of dtype float64
        Its parameters are those of the last iteration whenever after_iteration is called.
    samples : Samples of the kernels
    max_iter, max_fun : int
        Most iterations, and most evaluations of the loss.
    tol : float
        The largest entry of the gradient at which to stop.
    after_iteration : callable
        Given the loss after each iteration; True ends the run.
    n_threads : int
        Threads that share an evaluation of the loss and its gradient.
    may_shrink : bool
        Whether to do with one thread where the others cannot be started.

    Returns
    -------
    float
        The loss at the parameters found; NaN if interrupted before it was known.

    Raises
    ------
    ValueError
        When the parameters found, or the loss there, are not finite.
    """
    variables = _Split(network) if network.l1 > 0 else _Plain(network)
    evaluate = _Objective(network, variables, samples, n_threads, may_shrink)
    ended = False

    def end_iteration(x):
        nonlocal ended
        evaluate.accept(x)
        network.params, loss = variables.result(*evaluate.accepted)
        if after_iteration(loss):
            ended = True
            raise StopIteration

    def run(x, n_iter, n_fun):
        return scipy.optimize.minimize(
            evaluate,
            x,
            method="L-BFGS-B",
            jac=True,
            bounds=variables.bounds,
            callback=end_iteration,
            options={"maxiter": max_iter - n_iter, "maxfun": max_fun - n_fun, "gtol": tol},
        )

    try:
        # SciPy's own share are vectors of n_params: nothing for threads
        with blas_threads(1):
            found = run(variables.begin(network.params), 0, 0)
            if variables.bounds is not None:
                found = _run_again(run, found, max_iter, max_fun)
    except KeyboardInterrupt:
        warnings.warn("Training interrupted by user.", stacklevel=2)
        network.params, loss = variables.result(*evaluate.accepted)
        return loss
    if ended:
        return variables.result(*evaluate.accepted)[1]
    finite_params = np.isfinite(found.x).all()
    if not (finite_params and np.isfinite(found.fun)):
        what = "loss" if finite_params else "parameter weights"
        raise diverged(what, f"iteration {found.nit} of lbfgs", "")
    network.params, loss = variables.result(found.x, float(found.fun))
    if not found.success:
        warnings.warn(
            f"lbfgs failed to converge after {found.nit} iteration(s) (status={found.status}): "
            f"{found.message}. Increase max_iter={max_iter} or max_fun={max_fun}, or scale the "
            "data (StandardScaler).",
            ConvergenceWarning,
            stacklevel=2,
        )
    return loss


def _run_again(run, found, max_iter, max_fun):
    """The end of L-BFGS-B under bounds, begun anew until that lowers the loss no more.

    A step that a bound cuts short lowers the loss by so little that SciPy takes it for the end.
    """
    while found.success and found.nit < max_iter and found.nfev < max_fun:
        again = run(found.x, found.nit, found.nfev)
        again.nit, again.nfev = again.nit + found.nit, again.nfev + found.nfev
        gain = found.fun - again.fun
        if again.success and gain <= LEAST_GAIN * max(abs(found.fun), 1.0):
            return again
        found = again
    return found


class _Plain:
    """The variables are the parameters."""

    bounds = None

    def __init__(self, network):
        pass

    def begin(self, params):
        return params.copy()

    def params(self, x):
        return x

    def penalised(self, x, loss, grad):
        return loss, grad

    def result(self, x, loss):
        return x, loss


class _Split:
    """The variables are u, the intercepts, and v; see the top of this file."""

    def __init__(self, network):
        self.l1 = network.l1
        self.n_params = network.n_params
        self.n_coefs = sum(coef.size for coef in network.coefs)
        lowest = np.zeros(self.n_params + self.n_coefs)
        lowest[self.n_coefs : self.n_params] = -np.inf
        self.bounds = scipy.optimize.Bounds(lowest, np.inf)

    def begin(self, params):
        coefs = params[: self.n_coefs]
        return np.concatenate([np.maximum(coefs, 0), params[self.n_coefs :], np.maximum(-coefs, 0)])

    def params(self, x):
        params = x[: self.n_params].copy()
        params[: self.n_coefs] -= x[self.n_params :]
        return params

    def penalised(self, x, loss, grad):
        both = np.concatenate([grad, -grad[: self.n_coefs]])
        both[: self.n_coefs] += self.l1
        both[self.n_params :] += self.l1
        return loss + self.l1 * (x[: self.n_coefs].sum() + x[self.n_params :].sum()), both

    def result(self, x, loss):
        """Parameters and their objective: u + v may still be more than |u - v|."""
        in_both = np.minimum(x[: self.n_coefs], x[self.n_params :])
        return self.params(x), loss - 2 * self.l1 * in_both.sum()


class _Objective:
    """x -> (loss, gradient), remembering the last evaluation and the last accepted one.

    The latter is what an interrupt falls back to, without another evaluation.
    """

    def __init__(self, network, variables, samples, n_threads, may_shrink):
        self.variables = variables
        # without l1, which the variables see to
        self.evaluator = _kernels.core.Evaluator(
            network._plan, samples, network.l2, n_threads=n_threads, may_shrink=may_shrink
        )
        self.last = None
        self.accepted = variables.begin(network.params), np.nan

    def __call__(self, x):
        params = self.variables.params(x)
        grad = np.empty_like(params)
        loss, grad = self.variables.penalised(x, self.evaluator.evaluate(params, grad), grad)
        if self.last is None:
            self.accepted = x.copy(), loss
        self.last = x.copy(), loss
        return loss, grad

    def accept(self, x):
        """Take the variables of an iteration; usually they are the last ones evaluated."""
        if not np.array_equal(self.last[0], x):
            self(np.ascontiguousarray(x))
        self.accepted = self.last
