"""Clusters that the tests share."""

import gc

import pytest


@pytest.fixture(scope="module")
def client():
    """A client of two workers that are threads of this process."""
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        # Dask leaves sockets open that it looks for free ports with. Whoever uses this ignores
        # what is said of them, now and at the end.
        gc.collect()
        yield client
    gc.collect()
