"""What a snapshot was made with: Python, the platform, and the versions of the packages it needs."""

from __future__ import annotations

import functools
import platform
import sys
from collections.abc import Iterable, Mapping
from importlib import metadata
from typing import Any

Manifest = dict[str, Any]

_in_vain: set[str] = set()


def make_manifest(packages: Iterable[str]) -> Manifest:
    """The manifest of a snapshot that needs these top-level packages."""
    return _manifest(_distributions(packages))


@functools.cache
def environment() -> Manifest:
    """The manifest of all that is installed. Takes some 0.1 s the first time."""
    return _manifest({found.name: found.version for found in sorted(metadata.distributions(), key=lambda it: it.name)})


def _manifest(distributions: dict[str, str]) -> Manifest:
    return {
        "python": platform.python_version(),
        "implementation": sys.implementation.name,
        "platform": f"{sys.platform}-{platform.machine()}",
        "distributions": distributions,
    }


def _distributions(packages: Iterable[str]) -> dict[str, str]:
    """Name → version of the distributions that these packages come from."""
    wanted = set(packages) - sys.stdlib_module_names
    unknown = wanted - installed_packages().keys() - _in_vain
    if unknown:
        # Installed since, or a module that no distribution brought: one look settles it.
        installed_packages.cache_clear()
        _in_vain.update(unknown - installed_packages().keys())
    found = installed_packages()
    return dict(sorted(distribution for package in wanted for distribution in found.get(package, ())))


@functools.cache
def installed_packages() -> Mapping[str, tuple[tuple[str, str], ...]]:
    """Top-level package → (name, version) of the distributions that bring it. Takes some 0.2 s the first time."""
    found = {
        package: tuple((name, metadata.version(name)) for name in sorted(set(names)))
        for package, names in metadata.packages_distributions().items()
    }
    # What the search has cached is never looked at again.
    metadata.MetadataPathFinder().invalidate_caches()
    return found


def differences(manifest: Mapping[str, Any]) -> list[str]:
    """One sentence for each distribution that is not here, or not in the version that the snapshot was made with."""
    found = []
    for name, there in manifest.get("distributions", {}).items():
        here = _version(name)
        if here is None:
            found.append(f"{name} {there} is not installed on the server.")
        elif here != there:
            found.append(f"{name} {there} was used; the server has {here}.")
    there, here = manifest.get("platform"), f"{sys.platform}-{platform.machine()}"
    if there is not None and there != here:
        found.append(f"It was made on {there}; the server is {here}.")
    return found


@functools.lru_cache(maxsize=4096)
def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def other_python(manifest: Mapping[str, Any]) -> str | None:
    """Why this Python can't load a snapshot with that manifest, naming both; None when it can."""
    here, there = platform.python_version(), str(manifest["python"])
    minor = there.split(".")[:2]
    if minor == here.split(".")[:2]:
        return None
    return (
        f"The snapshot was made by Python {there} and can't be loaded by Python {here}: run the server with "
        f"Python {'.'.join(minor)}, or make the snapshot again."
    )
