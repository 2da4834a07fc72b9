"""Makes the modules of the benchmarks importable, and runs every benchmark in one thread."""

import sys
from pathlib import Path

import pytest
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    # imported first, because threadpoolctl limits only libraries that are loaded
    import sklearn.neural_network  # noqa: F401

    import fastbp  # noqa: F401

    with threadpool_limits(limits=1):
        yield
