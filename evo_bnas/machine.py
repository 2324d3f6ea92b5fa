"""This machine: its cores and processor, and the versions of what runs on it."""

import os
import platform
import subprocess
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")


def cores() -> int:
    """Cores that this process may use: by affinity and by the CPU quota of its control group (Linux)."""
    affinity = getattr(os, "sched_getaffinity", None)
    available = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, int(min([available, *_quotas()])))


def _quotas() -> Iterator[float]:
    """Cores that each enclosing control group allows: `cpu.max` of version 2, `cpu.cfs_*` of version 1."""
    try:
        lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        root = _CGROUPS / "cpu" if "cpu" in controllers.split(",") else _CGROUPS
        if controllers and root == _CGROUPS:
            continue  # a hierarchy of version 1 that does not limit CPUs
        own = root / path.lstrip("/")
        # In a container the path may be that of the host; then the mount itself is the container's group.
        for group in (folder for folder in (own, *own.parents) if folder.is_relative_to(root)):
            quota, period = _limit(group)
            if quota > 0:
                yield quota / period


def _limit(group: Path) -> tuple[float, float]:
    """Quota and period of one control group in microseconds; a quota of -1 means no limit."""
    try:
        if (group / "cpu.max").exists():
            quota, period = (group / "cpu.max").read_text(encoding="utf-8").split()
            return (-1.0 if quota == "max" else float(quota)), float(period)
        texts = [(group / f"cpu.cfs_{name}_us").read_text(encoding="utf-8") for name in ("quota", "period")]
        return float(texts[0]), float(texts[1])
    except (OSError, ValueError):
        return -1.0, 1.0


def processor() -> str:
    """The model of the processor, as the system names it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def versions(packages: Sequence[str]) -> dict[str, str]:
    """Versions of Python and of those packages that are installed."""
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def commit() -> str | None:
    """The commit of the checkout that this code runs from, with "-dirty" after changes; None without one."""
    root = Path(__file__).resolve().parents[1]
    if not (root / ".git").exists():
        return None  # installed: a repository further up belongs to something else
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return answer.stdout.strip() or None
