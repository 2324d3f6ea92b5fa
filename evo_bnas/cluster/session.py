"""The connection to a Ray cluster, which is started here where no address is given."""

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

from evo_bnas.cluster.address import KNOCK_SECONDS, answers, need_answer
from evo_bnas.cluster.own_folder import own_folder
from evo_bnas.cluster.settings import EngineSettings
from evo_bnas.errors import ClusterError, UsageError
from evo_bnas.interrupt import deferred
from evo_bnas.machine import cores

# Ray ends a driver whose head is lost for 60 s, and nothing can catch that.
_LOST_SECONDS = 8.0


@dataclass
class Session:
    """A cluster that this process is connected to."""

    head: str  # host:port
    local: bool  # started here, and gone with this process
    _knocked: float = 0.0  # when
    _silent: float | None = None  # since when the head does not answer

    def slots(self, settings: EngineSettings) -> int:
        """How many workers the nodes have resources for; raises UsageError where it is not one.

        A cluster of one's own has to have room for all; to another one nodes may come later.
        """
        nodes = [node["Resources"] for node in _nodes() if node["Alive"]]
        needs = {"CPU": settings.cpus, "GPU": settings.gpus}
        room = sum(
            min(int(node.get(name, 0) / need + 1e-9) for name, need in needs.items() if need)
            for node in nodes
        )
        if room == 0 or (self.local and room < settings.workers):
            has = ", ".join(f"{sum(node.get(name, 0) for node in nodes):g} {name}" for name in needs)
            where = "this machine" if self.local else f"the cluster at {self.head}"
            raise UsageError(
                f"engine: {settings.workers} workers of {settings.cpus:g} CPU and "
                f"{settings.gpus:g} GPU do not fit: {where} has {has} on {len(nodes)} "
                "nodes; ask for less, or start nodes that have it"
            )
        return min(room, settings.workers)

    def check(self) -> None:
        """Knock at the head now and then; raises ClusterError when it has not answered for a while."""
        if monotonic() - self._knocked > KNOCK_SECONDS:
            self.answers()
        if self._silent is not None and monotonic() - self._silent > _LOST_SECONDS:
            raise ClusterError(
                f"the head of the cluster at {self.head} is lost; what was scored is saved, and the same "
                "command goes on when it is back (--address names another cluster)"
            )

    def answers(self) -> bool:
        """Whether the head is there; while it is not, Ray blocks at nearly every question."""
        self._knocked = monotonic()
        if answers(self.head):
            self._silent = None
        elif self._silent is None:
            self._silent = self._knocked
        return self._silent is None


@contextmanager
def connected(settings: EngineSettings) -> Iterator[Session]:
    """A session that ends with the block; of a cluster that it started nothing is left.

    The address is the recipe's, else that in RAY_ADDRESS. Raises UsageError where none answers, where it
    wants a token that is not here, or where it runs another Python or Ray.
    """
    address = need_answer(settings)
    local = address == "local"
    own = ExitStack()
    try:
        try:
            options = _started_here(own) if local else {}
            # Ray reads these once a process, which may have had another cluster before.
            Config.initialize("")
            AuthenticationTokenLoader.instance().reset_cache()
            ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **options)
        except (RayError, OSError, RuntimeError, ValueError) as failure:
            raise UsageError(f"engine.address: {address}: {_why(failure, local)}") from None
        yield Session(ray.get_runtime_context().gcs_address, local)
    finally:
        with deferred() as interrupted:  # Ctrl-C at this point would leave something behind
            ray.shutdown()
            own.close()
        if interrupted():
            raise KeyboardInterrupt


def _started_here(own: ExitStack) -> dict[str, Any]:
    """Ray's settings for a cluster on this machine, whose folder and token go when the stack is closed."""
    folder = own.enter_context(own_folder())
    own.enter_context(_own_token())
    return {"num_cpus": cores(), "include_dashboard": False, "_temp_dir": str(folder)}


@contextmanager
def _own_token() -> Iterator[None]:
    """A token in the environment of all that is started meanwhile.

    Ray would leave one in the home folder, and demand one of every cluster that this process meets later.
    """
    own = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    before = {name: os.environ[name] for name in own if name in os.environ}
    os.environ.update(own)
    try:
        yield
    finally:
        for name in own:
            del os.environ[name]
        os.environ.update(before)


def _why(failure: Exception, local: bool) -> str:
    """Why there is no session, in a line; a cluster does not say that what it missed was a token."""
    said = failure.message if isinstance(failure, AuthenticationError) else " ".join(str(failure).split())
    if local or not isinstance(failure, (AuthenticationError, ConnectionError)):
        return said
    return f"{said}; if it has tokens: set RAY_AUTH_MODE=token, and bring its token to ~/.ray/auth_token"


def _nodes() -> list[dict[str, Any]]:
    return ray.nodes()  # type: ignore[no-any-return, no-untyped-call]
