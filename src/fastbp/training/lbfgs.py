"""L-BFGS: SciPy's, over the compiled loss and gradient of all samples.

Enters a float64 Network with its Samples; the parameters are moved to the minimum in place.
"""

import warnings

import numpy as np
import scipy.optimize
from sklearn.exceptions import ConvergenceWarning

from .. import _kernels
from .divergence import diverged


def minimize(network, samples, *, max_iter, max_fun, tol, verbose, n_threads=1):
    """Minimise the network's objective over its parameters.

    Parameters
    ----------
    network : Network of dtype float64
    samples : Samples of the kernels
    max_iter, max_fun : int
        Most iterations, and most evaluations of the loss.
    tol : float
        The largest entry of the gradient at which to stop.
    verbose : bool
        Print the loss of each iteration.
    n_threads : int
        Threads that share an evaluation of the loss and its gradient.

    Returns
    -------
    loss_curve : list of float
        The loss after each iteration.
    loss : float
        The loss at the parameters found; NaN if interrupted before it was known.

    Raises
    ------
    ValueError
        When the parameters found, or the loss there, are not finite.
    """
    evaluate = _Objective(network, samples, n_threads)
    loss_curve = []

    def after_iteration(params):
        evaluate.accept(params)
        loss_curve.append(evaluate.accepted[1])
        if verbose:
            print(f"Iteration {len(loss_curve)}, loss = {loss_curve[-1]:.8f}")

    try:
        found = scipy.optimize.minimize(
            evaluate,
            network.params.copy(),
            method="L-BFGS-B",
            jac=True,
            callback=after_iteration,
            options={"maxiter": max_iter, "maxfun": max_fun, "gtol": tol},
        )
    except KeyboardInterrupt:
        warnings.warn("Training interrupted by user.", stacklevel=2)
        network.params, loss = evaluate.accepted
        return loss_curve, loss
    finite_params = np.isfinite(found.x).all()
    if not (finite_params and np.isfinite(found.fun)):
        what = "loss" if finite_params else "parameter weights"
        raise diverged(what, f"iteration {found.nit} of lbfgs", "")
    network.params = found.x
    if not found.success:
        warnings.warn(
            f"lbfgs failed to converge after {found.nit} iteration(s) (status={found.status}): "
            f"{found.message}. Increase max_iter={max_iter} or max_fun={max_fun}, or scale the "
            "data (StandardScaler).",
            ConvergenceWarning,
            stacklevel=2,
        )
    return loss_curve, float(found.fun)


class _Objective:
    """params -> (loss, gradient), remembering the last evaluation and the last accepted one.

    The latter is what an interrupt falls back to, without another evaluation.
    """

    def __init__(self, network, samples, n_threads):
        self.evaluator = _kernels.core.Evaluator(
            network._plan, samples, network.l2, n_threads=n_threads
        )
        self.last = None
        self.accepted = network.params.copy(), np.nan

    def __call__(self, params):
        grad = np.empty_like(params)
        loss = self.evaluator.evaluate(params, grad)
        if self.last is None:
            self.accepted = params.copy(), loss
        self.last = params.copy(), loss
        return loss, grad

    def accept(self, params):
        """Take the parameters of an iteration; usually they are the last ones evaluated."""
        if not np.array_equal(self.last[0], params):
            self(np.ascontiguousarray(params))
        self.accepted = self.last
