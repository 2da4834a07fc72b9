"""Collections for Dask, and clusters that a module of tests shares."""

import pytest


@pytest.fixture(scope="session")
def client():
    """A client of two workers that are threads of this process."""
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=False,
            dashboard_address=None,
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client
