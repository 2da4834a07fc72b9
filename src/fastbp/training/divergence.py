"""What ends a run that has diverged: an error that says where, and what to try."""

import numpy as np

from .. import _kernels


def check_finite(params, loss, where, remedies):
    """ValueError unless the parameters and the loss are finite.

    `where` names the epoch or iteration and the learning rate, `remedies` what to try besides
    scaling the data.
    """
    finite_params = _kernels.core.all_finite(params)
    if finite_params and np.isfinite(loss):
        return
    found = "loss" if finite_params else "parameter weights"
    raise ValueError(
        f"Solver produced non-finite {found} in {where}. The input data may contain large values "
        "and need to be preprocessed: scale X (StandardScaler) and, for regression, y"
        f"{remedies}."
    )
