"""A Dask cluster whose scheduler and workers are processes that can be killed.

A server imports Dask and fastbp once; the processes are its forks, which start at once.
"""

import asyncio
import multiprocessing


def _run(make, **how):
    import distributed

    async def serve():
        async with getattr(distributed, make)(**how) as server:
            await server.finished()

    asyncio.run(serve())


class Cluster:
    """A scheduler and workers of one thread each."""

    def __init__(self, folder, n_workers):
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["distributed", "fastbp.dask"])
        self._file = str(folder / "scheduler.json")
        self.folder = str(folder)
        self.scheduler = self._start(
            "Scheduler", host="127.0.0.1", port=0, dashboard=False, scheduler_file=self._file
        )
        self.workers = []
        for _ in range(n_workers):
            self.add_worker()

    def add_worker(self):
        self.workers.append(
            self._start(
                "Worker",
                scheduler_file=self._file,
                nthreads=1,
                dashboard=False,
                local_directory=self.folder,
            )
        )

    def _start(self, *arguments, **how):
        process = self._context.Process(target=_run, args=arguments, kwargs=how, daemon=True)
        process.start()
        return process

    def client(self, timeout):
        import distributed

        client = distributed.Client(
            scheduler_file=self._file, set_as_default=False, timeout=timeout
        )
        client.wait_for_workers(sum(one.is_alive() for one in self.workers), timeout=timeout)
        return client

    def close(self):
        for process in [*self.workers, self.scheduler]:
            process.kill()
            process.join()
