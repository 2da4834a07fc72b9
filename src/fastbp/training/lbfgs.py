"""L-BFGS: SciPy's, over the compiled loss and gradient of all samples.

Takes a Run with a float64 Network; moves its parameters to a minimum of its objective.

|W| has no derivative where weights are zero, which is where it drives them. So with an l1 penalty
the coefficients are w = u - v with u, v >= 0, and l1 sum (u + v) is smooth: the same minimum, under
bounds, which L-BFGS-B is made for. Weights that belong at zero end there exactly.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.optimize

from ..threads import call_with_blas_threads
from .run import Run, diverged

LEAST_GAIN = 1e-9  # of the loss, for which another run is worthwhile


def solve(run: Run) -> None:
    """Minimise the network's objective over its parameters.

    Raises
    ------
    ValueError
        When the parameters found, or the loss there, are not finite.
    """
    network, settings, n_before = run.network, run.settings, run.state.n_iter
    if n_before >= settings.max_iter:  # of a run that is resumed
        return
    variables = _Split(network) if network.l1 > 0 else _Plain()
    objective = _Objective(run, variables)
    ended = False

    def take(x, loss):
        network.params, run.loss = variables.result(x, loss)
        return run.loss

    def end_iteration(intermediate_result):
        # by this name, SciPy passes its own x, which take copies, instead of a copy
        nonlocal ended
        loss = take(*objective.accept(intermediate_result.x, run.state.n_iter + 1))
        stops = run.monitor.after_iteration(loss)
        run.end_epoch()
        if stops:
            ended = True
            raise StopIteration

    def minimize(x, n_iter, n_fun):
        return scipy.optimize.minimize(
            objective.loss,
            x,
            method="L-BFGS-B",
            jac=objective.gradient,
            bounds=variables.bounds,
            callback=end_iteration,
            options={
                "maxiter": settings.max_iter - n_iter,
                "maxfun": settings.max_fun - n_fun,
                "gtol": settings.tol,
            },
        )

    def search():
        found = minimize(variables.begin(network.params), n_before, 0)
        found.nit += n_before
        return found if variables.bounds is None else _run_again(minimize, found, settings)

    try:
        # SciPy's own share are vectors of n_params: nothing for threads.
        found = call_with_blas_threads(1, search)
    except KeyboardInterrupt:
        take(*objective.accepted(run.state.n_iter))
        raise
    if ended:
        return
    finite_params = np.isfinite(found.x).all()
    if not (finite_params and np.isfinite(found.fun)):
        what = "loss" if finite_params else "parameter weights"
        raise diverged(what, f"iteration {found.nit} of lbfgs")
    take(found.x, float(found.fun))
    if not found.success:
        run.complaint = (
            f"lbfgs failed to converge after {found.nit} iteration(s) (status={found.status}): "
            f"{found.message}. Increase max_iter={settings.max_iter} or "
            f"max_fun={settings.max_fun}, or scale the data (StandardScaler)."
        )


def _run_again(minimize, found, settings):
    """What L-BFGS-B finds under bounds when it is restarted until that lowers the loss no more.

    A step that a bound cuts short lowers the loss by so little that SciPy takes it for the end.
    """
    while found.success and found.nit < settings.max_iter and found.nfev < settings.max_fun:
        again = minimize(found.x, found.nit, found.nfev)
        again.nit, again.nfev = again.nit + found.nit, again.nfev + found.nfev
        gain = found.fun - again.fun
        if again.success and gain <= LEAST_GAIN * max(abs(found.fun), 1.0):
            return again
        found = again
    return found


class _Plain:
    """The variables are the parameters."""

    bounds = None

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
    """Loss and gradient of x, remembering the last evaluation and the last accepted one.

    SciPy asks for the loss, then for the gradient at the same x: one evaluation gives both. An
    interrupt falls back to the accepted one, without another evaluation.
    """

    def __init__(self, run, variables):
        self.variables = variables
        # without l1, which is the variables' own
        self.evaluator = run.evaluator(l2=run.network.l2)
        self.last = self.last_bytes = self.grad = None
        start = variables.begin(run.network.params), np.nan
        self._accepted: tuple[int, Any, Any] = run.state.n_iter, start, start

    def loss(self, x):
        params = self.variables.params(x)
        grad = np.empty_like(params)
        loss = self.evaluator.evaluate(params, grad)
        loss, self.grad = self.variables.penalised(x, loss, grad)
        last = x.copy(), loss
        if self.last is None:
            self._accepted = self._accepted[0], last, last
        self.last, self.last_bytes = last, x.tobytes()
        return loss

    def gradient(self, x):
        self._evaluate_at(x)
        return self.grad

    def accept(self, x, n_iter):
        """Variables and loss of an iteration; usually x is what was evaluated last."""
        self._evaluate_at(x)
        # one assignment, which no interrupt can divide
        self._accepted = n_iter, self.last, self._accepted[1]
        return self.last

    def accepted(self, n_iter):
        """What was accepted in the last iteration that counts."""
        number, last, before = self._accepted
        return last if n_iter >= number else before

    def _evaluate_at(self, x):
        # bytes are compared in a tenth of the time of arrays
        if x.tobytes() != self.last_bytes:
            self.loss(np.ascontiguousarray(x))
