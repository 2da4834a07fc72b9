"""Warnings that point at the user's line: where fastbp was called, itself or through a pipeline.

Python counts frames from the call of ``warnings.warn``, but how many lie between it and the user's
code depends on the way: a fit of its own, a pipeline, a search, an iteration of SciPy's L-BFGS.
"""

from __future__ import annotations

import sys
import warnings

# What the user calls fastbp through, and what fastbp calls itself back through.
NOT_THE_USERS = frozenset({__package__, "sklearn", "joblib", "scipy"})


def warn(message: str | Warning, category: type[Warning] = UserWarning) -> None:
    """``warnings.warn``, at the first line outside fastbp and the packages that call it."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and _package_of(frame) in NOT_THE_USERS:
        level, frame = level + 1, frame.f_back
    # the loop stops at the user's frame, which is level - 1 frames above this one
    warnings.warn(message, category, stacklevel=level)


def _package_of(frame):
    return frame.f_globals.get("__name__", "").partition(".")[0]
