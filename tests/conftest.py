"""What every test gets, and the marks of every case.

Imports of the package are inside the functions. The process that hands out the tests to others runs
none and needs no imports.
"""

import gc

import pytest


@pytest.fixture(autouse=True)
def _seeded():
    """random_state=None draws from NumPy's global stream: the same one in every run."""
    import numpy as np

    np.random.seed(0)


@pytest.fixture
def build(request):
    """Run the test once in every build of the compiled core that this machine can execute."""
    from internals import in_build

    with in_build(request.param):
        yield request.param


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Modules and items stay to the end: the garbage collector need not go through them.

    It takes a third of the time of the collection, and looks at all of them again while tests run.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_collect_file():
    """Examples are in the docstrings of the package: none is looked for in the tests."""
    collectors = yield
    return [one for one in collectors if type(one).__name__ != "DoctestModule"]


def pytest_generate_tests(metafunc):
    """Every build, unless the test says itself which ones."""
    from internals import BUILDS

    marks = metafunc.definition.iter_markers("parametrize")
    if "build" in metafunc.fixturenames and not any("build" in mark.args[0] for mark in marks):
        metafunc.parametrize("build", BUILDS, indirect=True)


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
