"""The connection to a cluster: what it refuses, and that it leaves nothing behind."""

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

from evo_bnas.cluster.local_folder import local_folder
from evo_bnas.cluster.session import connected
from evo_bnas.cluster.settings import EngineSettings
from evo_bnas.errors import UsageError

HOLD = """
import signal
from evo_bnas.cluster.local_folder import local_folder
with local_folder() as folder:
    print(folder, flush=True)
    signal.pause()
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files; the environment names no cluster."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for name in ("RAY_ADDRESS", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def listening() -> Iterator[str]:
    """An address at which something listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def replace_ray(monkeypatch: pytest.MonkeyPatch, init: Callable[..., object]) -> None:
    """Start sessions with this `ray.init`, without any cluster."""
    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    monkeypatch.setattr(ray, "get_runtime_context", lambda: SimpleNamespace(gcs_address="127.0.0.1:1"))


def test_the_folder_of_a_killed_driver_is_removed_by_the_next_one_but_not_that_of_a_running_driver(
    temporary: Path,
) -> None:
    environment = os.environ | {"TMPDIR": str(temporary)}
    with (
        local_folder() as running,
        subprocess.Popen([sys.executable, "-c", HOLD], env=environment, stdout=subprocess.PIPE) as killed,
    ):
        assert killed.stdout
        abandoned = Path(killed.stdout.readline().decode().strip())
        with local_folder():
            assert abandoned.exists()
        killed.kill()
        killed.wait()
        with local_folder() as new:
            assert set(temporary.iterdir()) == {running, new}
    assert not list(temporary.iterdir())


def test_a_local_cluster_has_its_own_token_and_leaves_none_behind(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens: list[str] = []

    def init(_address: str, **settings: Any) -> None:
        assert Path(settings["_temp_dir"]).parent == temporary
        assert os.environ["RAY_AUTH_MODE"] == "token"
        tokens.append(os.environ["RAY_AUTH_TOKEN"])

    replace_ray(monkeypatch, init)
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    before = dict(os.environ)
    for _ in range(2):
        with connected(EngineSettings(workers=2)) as session:
            assert session.local
    assert len(set(tokens)) == 2
    assert dict(os.environ) == before
    assert not list(temporary.iterdir())


def test_ctrl_c_while_a_session_ends_is_raised_after_the_cleanup(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_ray(monkeypatch, lambda *_, **__: None)
    monkeypatch.setattr(ray, "shutdown", lambda: signal.raise_signal(signal.SIGINT))
    # Tests that a shell starts in the background would ignore Ctrl-C.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), connected(EngineSettings(workers=2)):
            pass
    finally:
        signal.signal(signal.SIGINT, before)
    assert not list(temporary.iterdir())


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (AuthenticationError("no token was found"), "no token was found; .*RAY_AUTH_MODE=token"),
        (ConnectionError("Failed to\nconnect"), "Failed to connect; .*RAY_AUTH_MODE=token"),
        (RuntimeError("Version mismatch"), "Version mismatch$"),
        (TimeoutError("no answer"), "no answer$"),
    ],
)
def test_a_failed_connection_is_explained_in_one_line(
    monkeypatch: pytest.MonkeyPatch, listening: str, failure: Exception, message: str
) -> None:
    def init(*_: Any, **__: Any) -> None:
        raise failure

    replace_ray(monkeypatch, init)
    with (
        pytest.raises(UsageError, match=f"^engine.address: {listening}: {message}"),
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
    ("address", "suggestion"),
    [
        ("127.0.0.1:1", "ray start"),
        ("ray://127.0.0.1:10001", "host:port"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused(address: str, suggestion: str) -> None:
    message = rf"engine\.address: .*{address}.*{suggestion}"
    with pytest.raises(UsageError, match=message), connected(EngineSettings(address=address)):
        pass
