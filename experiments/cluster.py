"""Dask as an executor of sweeps (extra `cluster`): a scheduler that is there, or workers of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

from abm.scenario import ScenarioError
from experiments.runner import default_workers

LOCAL = "local"
LOOPBACK = "127.0.0.1"  # whoever reaches a scheduler runs code with its rights
PATIENCE = 15.0  # seconds to wait for a scheduler


@contextmanager
def dask_executor(address: str, workers: int | None = None) -> Iterator[tuple[Executor, int]]:
    """An executor on the workers of a Dask scheduler, and how many threads they have together.

    `address` is a scheduler's (tcp://host:port) or "local": `workers` processes of this machine. A shard whose worker
    dies is done by another (Dask's own setting `allowed-failures`, 3, ends that). Raises ScenarioError if Dask is not
    installed, the scheduler is not reached or has no workers.
    """
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        raise ScenarioError(["Dask is not installed; pip install 'kretslopp[cluster]'"]) from None
    if address == LOCAL:
        with (
            LocalCluster(
                n_workers=workers or default_workers(), threads_per_worker=1, host=LOOPBACK, dashboard_address=None
            ) as local,
            Client(local) as client,
        ):
            yield client.get_executor(pure=False), len(client.nthreads())
        return
    try:
        client = Client(address, timeout=PATIENCE)
    except (OSError, ValueError, TimeoutError) as error:
        raise ScenarioError([f"dask {address}: no scheduler is reached ({type(error).__name__})"]) from None
    with client:
        threads = sum(client.nthreads().values())
        if threads == 0:
            raise ScenarioError([f"dask {address}: the scheduler has no workers"])
        yield client.get_executor(pure=False), threads
