"""How many cores a process may use, from files like those of Linux."""

import os
from pathlib import Path

import pytest

from evo_bnas.machine import cores

AFFINITY = range(8)


@pytest.fixture(autouse=True)
def _eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(AFFINITY), raising=False)


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


GROUPS = "sys/fs/cgroup"
VERSION_1 = "12:memory:/job\n4:cpu,cpuacct:/job\n1:name=systemd:/job\n"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, 8),
        ({"proc/self/cgroup": "0::/job\n"}, 8),
        ({"proc/self/cgroup": "0::/job\n", f"{GROUPS}/job/cpu.max": "max 100000\n"}, 8),
        ({"proc/self/cgroup": "0::/job\n", f"{GROUPS}/job/cpu.max": "250000 100000\n"}, 2),
        ({"proc/self/cgroup": "0::/job\n", f"{GROUPS}/job/cpu.max": "5000 100000\n"}, 1),
        ({"proc/self/cgroup": "0::/job\n", f"{GROUPS}/job/cpu.max": "1600000 100000\n"}, 8),
        ({"proc/self/cgroup": "0::/job\n", f"{GROUPS}/job/cpu.max": "damaged"}, 8),
        (
            {
                "proc/self/cgroup": "0::/user/job\n",
                f"{GROUPS}/user/job/cpu.max": "600000 100000\n",
                f"{GROUPS}/user/cpu.max": "300000 100000\n",
            },
            3,
        ),
        ({"proc/self/cgroup": "0::/on/the/host\n", f"{GROUPS}/cpu.max": "400000 100000\n"}, 4),
        (
            {
                "proc/self/cgroup": VERSION_1,
                f"{GROUPS}/cpu/job/cpu.cfs_quota_us": "300000\n",
                f"{GROUPS}/cpu/job/cpu.cfs_period_us": "100000\n",
            },
            3,
        ),
        (
            {
                "proc/self/cgroup": VERSION_1,
                f"{GROUPS}/cpu/job/cpu.cfs_quota_us": "-1\n",
                f"{GROUPS}/cpu/job/cpu.cfs_period_us": "100000\n",
            },
            8,
        ),
    ],
    ids=[
        "no control groups",
        "no limits",
        "version 2, unlimited",
        "version 2",
        "less than one core",
        "quota above the affinity",
        "damaged file",
        "smallest quota of enclosing groups",
        "container that sees the path of the host",
        "version 1",
        "version 1, unlimited",
    ],
)
def test_cores_are_limited_by_affinity_and_quota(
    files: dict[str, str], expected: int, tmp_path: Path
) -> None:
    assert cores(write(tmp_path, files)) == expected


def test_this_machine_has_at_least_one_core() -> None:
    assert 1 <= cores() <= len(AFFINITY)


def test_without_affinity_all_cores_of_the_machine_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 5)
    assert cores(tmp_path) == 5
