"""Clusters of one or several nodes on this machine, for tests."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

from ray._common.utils import get_default_ray_temp_dir
from ray.cluster_utils import Cluster

STORE = 80_000_000  # bytes of the object store, nearly the minimum of Ray


@contextmanager
def cluster(cpus: int = 2) -> Iterator[Any]:
    """A cluster of one node with this number of CPUs; it is removed afterwards."""
    folder = tempfile.mkdtemp(prefix="ray-")  # short, since paths of sockets are limited
    # Without the processes that monitor it, which take time to start.
    monitors = dict.fromkeys(("include_dashboard", "include_log_monitor"), False) | {"no_monitor": True}
    head = {"num_cpus": cpus, "object_store_memory": STORE, "temp_dir": folder, **monitors}
    # `Cluster` notes its address there, and does not create the folder.
    os.makedirs(get_default_ray_temp_dir(), exist_ok=True)
    started: Any = Cluster(initialize_head=True, head_node_args=head)
    try:
        yield started
    finally:
        with suppress(OSError):
            started.shutdown()
        shutil.rmtree(folder, ignore_errors=True)
