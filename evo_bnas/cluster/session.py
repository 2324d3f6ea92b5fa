"""The connection to a Ray cluster; without an address, a cluster is started on this machine."""

import logging
import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any

import ray
from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]
from ray.exceptions import AuthenticationError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from evo_bnas.cluster.address import CONNECT_SECONDS, is_reachable, reachable_address
from evo_bnas.cluster.local_folder import local_folder
from evo_bnas.cluster.settings import EngineSettings
from evo_bnas.errors import ClusterError, UsageError
from evo_bnas.interrupt import deferred
from evo_bnas.machine import cores

# Without an answer from the head, after which it is lost. Ray itself kills a driver after 60 s, and nothing
# can catch that.
LOST_SECONDS = 8.0


@dataclass
class Session:
    """A connection to a cluster."""

    head: str  # host:port
    local: bool  # started here; it ends with this process
    _checked: float = 0.0  # time of the last check
    _down_since: float | None = None  # when the head stopped answering

    def room(self, settings: EngineSettings) -> int:
        """How many of the workers the nodes have resources for; raises UsageError if there is none.

        A local cluster must have room for all of them; nodes may join another cluster later.
        """
        nodes = [node["Resources"] for node in _nodes() if node["Alive"]]
        needs = {"CPU": settings.cpus, "GPU": settings.gpus}
        room = sum(
            min(int(node.get(name, 0) / need + 1e-9) for name, need in needs.items() if need)
            for node in nodes
        )
        if room == 0 or (self.local and room < settings.workers):
            total = ", ".join(f"{sum(node.get(name, 0) for node in nodes):g} {name}" for name in needs)
            where = "this machine" if self.local else f"the cluster at {self.head}"
            raise UsageError(
                f"engine.workers: {settings.workers} with {settings.cpus:g} CPU and {settings.gpus:g} GPU "
                f"each do not fit: {where} has {total} on {len(nodes)} nodes; use fewer workers, reduce "
                "engine.cpus or engine.gpus, or start larger nodes"
            )
        return min(room, settings.workers)

    def check(self) -> None:
        """Check the head from time to time; raises ClusterError if it has not answered for a while."""
        if monotonic() - self._checked > CONNECT_SECONDS:
            self.is_up()
        if self._down_since is not None and monotonic() - self._down_since > LOST_SECONDS:
            raise ClusterError(
                f"the head of the cluster at {self.head} is lost; all recorded scores are saved, and the "
                "same command resumes once it is back (--address names another cluster)"
            )

    def is_up(self) -> bool:
        """Whether the head answers; while it does not, nearly every call of Ray blocks."""
        self._checked = monotonic()
        if is_reachable(self.head):
            self._down_since = None
        elif self._down_since is None:
            self._down_since = self._checked
        return self._down_since is None


@contextmanager
def connected(settings: EngineSettings) -> Iterator[Session]:
    """A session that ends with the block; a cluster that was started for it is removed.

    The address is the recipe's, else RAY_ADDRESS. Raises UsageError if no cluster answers there, if it needs
    a token that is missing here, or if it runs another version of Python or Ray.
    """
    address = reachable_address(settings)
    local = address == "local"
    resources = ExitStack()
    try:
        try:
            options = _local_options(resources) if local else {}
            # Ray reads these once per process, which may have been connected to another cluster before.
            Config.initialize("")
            AuthenticationTokenLoader.instance().reset_cache()
            ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **options)
        except (RayError, OSError, RuntimeError, ValueError) as failure:
            raise UsageError(f"engine.address: {address}: {_reason(failure, local)}") from None
        yield Session(ray.get_runtime_context().gcs_address, local)
    finally:
        with deferred() as interrupted:  # Ctrl-C here would leave processes or files behind
            ray.shutdown()
            resources.close()
        if interrupted():
            raise KeyboardInterrupt


def on_this_node() -> NodeAffinitySchedulingStrategy:
    """Keeps an actor on the driver's node."""
    return NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)


def _local_options(resources: ExitStack) -> dict[str, Any]:
    """Options of ray.init for a cluster on this machine; closing the stack removes its folder and token."""
    folder = resources.enter_context(local_folder())
    resources.enter_context(_local_token())
    return {"num_cpus": cores(), "include_dashboard": False, "_temp_dir": str(folder)}


@contextmanager
def _local_token() -> Iterator[None]:
    """Put a new token into the environment, for the processes of a local cluster.

    Otherwise Ray would write one to the home folder, and from then on demand it of every cluster.
    """
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    before = {name: os.environ[name] for name in token if name in os.environ}
    os.environ.update(token)
    try:
        yield
    finally:
        for name in token:
            del os.environ[name]
        os.environ.update(before)


def _reason(failure: Exception, local: bool) -> str:
    """Why the connection failed, in one line. Ray does not say that a token was missing."""
    text = failure.message if isinstance(failure, AuthenticationError) else " ".join(str(failure).split())
    if local or not isinstance(failure, (AuthenticationError, ConnectionError)):
        return text
    return f"{text}; if the cluster needs a token: set RAY_AUTH_MODE=token and copy it to ~/.ray/auth_token"


def _nodes() -> list[dict[str, Any]]:
    return ray.nodes()  # type: ignore[no-any-return, no-untyped-call]
