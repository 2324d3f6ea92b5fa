"""The address of a cluster, from the recipe or the environment, and whether it can be reached."""

import os
import socket

from evo_bnas.cluster.settings import EngineSettings
from evo_bnas.errors import UsageError

CONNECT_SECONDS = 2.0  # timeout


def address_of(settings: EngineSettings) -> str:
    """The recipe's address, else RAY_ADDRESS: host:port, auto, or local for a cluster started here.

    Raises UsageError for an address of Ray Client (ray://).
    """
    address = settings.address or os.environ.get("RAY_ADDRESS") or "local"
    if "://" in address:
        raise UsageError(
            f"engine.address: {address}: use host:port or auto, and run on a node of the cluster, "
            "for instance with `ray job submit`"
        )
    return address


def reachable_address(settings: EngineSettings) -> str:
    """The address; raises UsageError if it is a host and port that cannot be reached."""
    address = address_of(settings)
    if address not in ("local", "auto") and not is_reachable(address):
        raise UsageError(f"engine.address: no Ray cluster answers at {address}; start one with `ray start`")
    return address


def is_reachable(address: str) -> bool:
    """Whether something listens at host:port."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS):
            return True
    except (OSError, ValueError):
        return False
