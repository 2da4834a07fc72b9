import numpy as np
import pytest

from fastbp import _kernels


@pytest.fixture(autouse=True)
def _seeded():
    """random_state=None draws from NumPy's global stream: the same one in every run."""
    np.random.seed(0)


@pytest.fixture(params=_kernels.available_builds())
def build(request, monkeypatch):
    """Run the test once in every build of the compiled core that this machine can execute."""
    monkeypatch.setattr(_kernels, "core", _kernels.load_build(request.param))
    return request.param
