"""One thread for every benchmark, and the benchmarks' own modules importable."""

import sys
from pathlib import Path

import pytest
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    # imported first: threadpoolctl limits only the libraries that are already loaded
    import sklearn.neural_network  # noqa: F401

    import fastbp  # noqa: F401

    with threadpool_limits(limits=1):
        yield
