"""Where a cluster is: what the recipe or the environment says, and whether something answers there."""

import os
import socket

from evo_bnas.cluster.settings import EngineSettings
from evo_bnas.errors import UsageError

KNOCK_SECONDS = 2.0


def address_of(settings: EngineSettings) -> str:
    """The recipe's address, else that in RAY_ADDRESS: host:port or auto; local is a cluster of one's own.

    Raises UsageError for an address of Ray's client.
    """
    address = settings.address or os.environ.get("RAY_ADDRESS") or "local"
    if "://" in address:
        raise UsageError(
            f"engine.address: {address}: give host:port or auto and run on a node of the cluster, "
            "for instance with `ray job submit`"
        )
    return address


def need_answer(settings: EngineSettings) -> str:
    """The address; raises UsageError where it names a port that nobody listens at."""
    address = address_of(settings)
    if address not in ("local", "auto") and not answers(address):
        raise UsageError(f"engine.address: no Ray cluster answers at {address}; begin one with `ray start`")
    return address


def answers(address: str) -> bool:
    """Whether something listens at host:port."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=KNOCK_SECONDS):
            return True
    except (OSError, ValueError):
        return False
