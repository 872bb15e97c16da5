"""Whether the content of snapshots is still what was saved, and whether the Python here can load it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jupyter_deployr.computenode import ComputeNode, Snapshot, SnapshotError
from jupyter_deployr.webnode.store import BlobDamaged, Blobs


class SnapshotChecks:
    """What is wrong with contents, by digest, as sentences that name no path. Nothing is unpickled for it."""

    def __init__(self, blobs: Blobs, node: ComputeNode) -> None:
        self._blobs = blobs
        self._node = node
        self._found: dict[str, str] = {}
        self._manifests: dict[str, Mapping[str, Any]] = {}

    def known(self, digest: str | None) -> str | None:
        """What was wrong with that content when it was last looked at; None when nothing was, or nobody has looked."""
        return None if digest is None else self._found.get(digest)

    def differences(self, digest: str | None) -> list[str]:
        """How the packages here differ from those that the content was made with, as far as it was looked at."""
        manifest = None if digest is None else self._manifests.get(digest)
        return [] if manifest is None else self._node.differences(manifest)

    def check(self, digest: str) -> str | None:
        """What is wrong with that content now. Reads each state of a file once. Blocking: call it in a thread."""
        fault = self._fault(digest)
        if fault is None:
            self._found.pop(digest, None)
        else:
            self._found[digest] = fault
        return fault

    def _fault(self, digest: str) -> str | None:
        try:
            self._blobs.verify(digest)
            manifest = Snapshot(self._blobs.path(digest)).manifest
        except BlobDamaged as fault:
            return f"The content of its snapshot {fault}: publish the version again."
        except SnapshotError:
            return "Its snapshot is not one that this version of the server reads: publish the version again."
        self._manifests[digest] = manifest
        return self._node.refusal(manifest)
