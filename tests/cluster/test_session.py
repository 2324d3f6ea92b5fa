"""The connection to a cluster: what it refuses, and what it leaves behind, which is nothing."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import ray
from ray.exceptions import AuthenticationError

from evo_bnas.cluster.own_folder import own_folder
from evo_bnas.cluster.session import connected
from evo_bnas.cluster.settings import EngineSettings
from evo_bnas.errors import UsageError

HOLD = """
import signal
from evo_bnas.cluster.own_folder import own_folder
with own_folder() as folder:
    print(folder, flush=True)
    signal.pause()
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files, and an environment that names no cluster."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for name in ("RAY_ADDRESS", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def listening() -> Iterator[str]:
    """An address at which something listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def beginning(monkeypatch: pytest.MonkeyPatch, init: Callable[..., object]) -> None:
    """Have sessions begin like this, and end when nothing was begun."""
    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    monkeypatch.setattr(ray, "get_runtime_context", lambda: SimpleNamespace(gcs_address="127.0.0.1:1"))


def test_the_folder_of_a_killed_driver_is_removed_by_the_next_and_that_of_a_live_one_is_not(
    temporary: Path,
) -> None:
    environment = os.environ | {"TMPDIR": str(temporary)}
    with (
        own_folder() as live,
        subprocess.Popen([sys.executable, "-c", HOLD], env=environment, stdout=subprocess.PIPE) as killed,
    ):
        assert killed.stdout
        left = Path(killed.stdout.readline().decode().strip())
        with own_folder():
            assert left.exists()
        killed.kill()
        killed.wait()
        with own_folder() as fresh:
            assert set(temporary.iterdir()) == {live, fresh}
    assert not list(temporary.iterdir())


def test_a_cluster_of_ones_own_has_a_token_that_is_nowhere_afterwards(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens: list[str] = []

    def init(_address: str, **settings: Any) -> None:
        assert Path(settings["_temp_dir"]).parent == temporary
        assert os.environ["RAY_AUTH_MODE"] == "token"
        tokens.append(os.environ["RAY_AUTH_TOKEN"])

    beginning(monkeypatch, init)
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    before = dict(os.environ)
    for _ in range(2):
        with connected(EngineSettings(workers=2)) as session:
            assert session.local
    assert len(set(tokens)) == 2
    assert dict(os.environ) == before
    assert not list(temporary.iterdir())


def test_ctrl_c_while_a_session_ends_rises_when_nothing_is_left(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beginning(monkeypatch, lambda *_, **__: None)
    monkeypatch.setattr(ray, "shutdown", lambda: signal.raise_signal(signal.SIGINT))
    # A shell that starts the tests in the background has them ignore Ctrl-C.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), connected(EngineSettings(workers=2)):
            pass
    finally:
        signal.signal(signal.SIGINT, before)
    assert not list(temporary.iterdir())


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (
            AuthenticationError("no token was found"),
            "no token was found; if it has tokens: set RAY_AUTH_MODE=",
        ),
        (
            ConnectionError("Failed to\nconnect"),
            "Failed to connect; if it has tokens: set RAY_AUTH_MODE=token",
        ),
        (RuntimeError("Version mismatch"), "Version mismatch$"),
        (TimeoutError("no answer"), "no answer$"),
    ],
)
def test_why_there_is_no_session_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, listening: str, failure: Exception, said: str
) -> None:
    def init(*_: Any, **__: Any) -> None:
        raise failure

    beginning(monkeypatch, init)
    with (
        pytest.raises(UsageError, match=f"^engine.address: {listening}: {said}"),
        connected(EngineSettings(workers=2, address=listening)),
    ):
        pass


def test_a_cluster_that_cannot_be_started_here_is_refused(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(temporary / "absent"))
    with (
        pytest.raises(UsageError, match=r"^engine.address: local: .*No such file"),
        connected(EngineSettings(workers=2)),
    ):
        pass


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("127.0.0.1:1", "no Ray cluster answers at 127.0.0.1:1; begin one with `ray start`"),
        ("ray://127.0.0.1:10001", "give host:port or auto and run on a node of the cluster"),
    ],
)
def test_an_address_that_leads_nowhere_is_refused(address: str, said: str) -> None:
    with pytest.raises(UsageError, match=said), connected(EngineSettings(address=address)):
        pass
