"""The compiled core, in the build that suits this CPU.

One source (core.pxi) is compiled once per instruction set. ``core`` is the module in use: the
best build that the CPU runs, or the one that the environment variable FASTBP_ISA names when
fastbp is imported. ``available_builds()`` and ``load_build(name)`` serve tests and benchmarks.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from typing import Any

from . import core_baseline

BUILDS = ("baseline", "avx2", "avx512")


def available_builds() -> tuple[str, ...]:
    """Names of the builds that were compiled and that this CPU runs, the best one last."""
    runs_here = BUILDS[: core_baseline.cpu_level() + 1]
    return tuple(name for name in runs_here if importlib.util.find_spec(f"{__name__}.core_{name}"))


def load_build(name: str) -> Any:
    """The compiled module of one of ``available_builds()``."""
    if name not in available_builds():
        raise ImportError(
            f"FASTBP_ISA={name!r} is not a build that runs here; choose one of "
            f"{', '.join(available_builds())}, or unset FASTBP_ISA for the best of them."
        )
    return importlib.import_module(f"{__name__}.core_{name}")


core = load_build(os.environ.get("FASTBP_ISA") or available_builds()[-1])
