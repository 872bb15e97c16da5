"""What the numbers of a report were measured on."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

import psutil

from benchmarks.load import wrk_version


def description(distributions: Iterable[str]) -> str:
    """Processor, memory, system and the versions in use, in a few lines."""
    gigabytes = psutil.virtual_memory().total / 2**30
    versions = ", ".join(f"{name} {version(name)}" for name in distributions)
    return (
        f"{_processor()}, {len(psutil.Process().cpu_affinity() or ())} usable cores, {gigabytes:.0f} GB, "
        f"load {os.getloadavg()[0]:.2f} before the start\n"
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}, {versions}, {wrk_version()}"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()
