"""How often faults are tried: a few times in `make test`, many times in `make torture`.

Each try has a seed of its own, and a failure names it: with the same seed it fails again.
"""

import os

IS_TORTURE = os.environ.get("FASTBP_TORTURE", "") not in ("", "0")


def times(usual, torture):
    """How often: `usual`, or `torture` where FASTBP_TORTURE=1 is set."""
    return torture if IS_TORTURE else usual


def shares(total, size):
    """Parameters of a test that makes `size` of `total` tries: the seeds of its cases."""
    return range(-(-total // size))
