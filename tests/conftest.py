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


def pytest_collection_modifyitems(items):
    """A case marked `grid` has an unmarked one beside it: of its test, or of the one it names."""
    unmarked = {
        (item.path, getattr(item, "originalname", None))
        for item in items
        if not item.get_closest_marker("grid")
    }
    for item in items:
        marker = item.get_closest_marker("grid")
        if marker is not None:
            covering = marker.kwargs.get("covering", item.originalname)
            if (item.path, covering) not in unmarked:
                raise pytest.UsageError(
                    f"{item.nodeid} is marked grid, but {covering} is not beside it"
                )
