import numpy as np
import pytest
from internals import BUILDS, kernels


@pytest.fixture(autouse=True)
def _seeded():
    """random_state=None draws from NumPy's global stream: the same one in every run."""
    np.random.seed(0)


@pytest.fixture(params=BUILDS)
def build(request, monkeypatch):
    """Run the test once in every build of the compiled core that this machine can execute."""
    monkeypatch.setattr(kernels, "core", kernels.load_build(request.param))
    return request.param
