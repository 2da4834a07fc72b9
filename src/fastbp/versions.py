"""show_versions: what to put into a bug report."""

import importlib.metadata
import platform
import sys

VERSION: str = importlib.metadata.version("fastbp")


def show_versions() -> None:
    """Print the versions in use, the CPU's builds, and which build runs.

    Examples
    --------
    >>> import fastbp
    >>> fastbp.show_versions()  # doctest: +ELLIPSIS
    fastbp ...
    """
    from . import _kernels

    running = _kernels.core.__name__.rpartition("_")[2]
    print(f"fastbp       {VERSION}")
    print(
        f"build        {running} (runnable here: {', '.join(_kernels.available_builds())}; "
        "choose by the environment variable FASTBP_ISA)"
    )
    print(f"compiled by  {_kernels.core.COMPILER}")
    print(f"Python       {sys.version.split()[0]} on {platform.platform()}")
    for package in ("numpy", "scipy", "scikit-learn", "joblib", "threadpoolctl"):
        print(f"{package:12} {importlib.metadata.version(package)}")
