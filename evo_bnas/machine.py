"""This machine: its cores and processor, and the versions of the software on it."""

import os
import platform
import subprocess
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def cores(root: Path = Path("/")) -> int:
    """The number of cores that this process may use: at least 1, at most its CPU affinity and its quota.

    The quota is that of its control groups (Linux), rounded down. `root` is the root of the file system.
    """
    affinity = getattr(os, "sched_getaffinity", None)
    available = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, int(min([available, *_quotas(root)])))


def _quotas(root: Path) -> Iterator[float]:
    """The quota of each enclosing control group, in cores, if it has one; versions 1 and 2 of cgroups."""
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        mount = root / "sys/fs/cgroup"
        if controllers:  # version 1: a mount for each set of controllers
            if "cpu" not in controllers.split(","):
                continue
            mount = mount / "cpu"
        own = mount / path.lstrip("/")
        # In a container, the path may be the one on the host; then the mount itself is the container's group.
        for group in (folder for folder in (own, *own.parents) if folder.is_relative_to(mount)):
            quota, period = _quota_and_period(group)
            if quota > 0:
                yield quota / period


def _quota_and_period(group: Path) -> tuple[float, float]:
    """Quota and period of a control group in microseconds; a quota of -1 means no limit."""
    try:
        if (group / "cpu.max").exists():  # version 2
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
    """The versions of Python and of those packages that are installed."""
    installed = {"python": platform.python_version()}
    for package in packages:
        try:
            installed[package] = version(package)
        except PackageNotFoundError:
            continue
    return installed


def commit() -> str | None:
    """The commit of the checkout that this code runs from, with "-dirty" after changes; None without one."""
    root = Path(__file__).resolve().parents[1]
    if not (root / ".git").exists():
        return None  # installed: a repository further up does not hold this code
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return result.stdout.strip() or None
