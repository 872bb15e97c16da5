"""Whether the content of snapshots is still what was saved, and whether the Python here can load it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from typing import Any

from jupyter_deployr.computenode import ComputeNode, Snapshot, SnapshotError
from jupyter_deployr.protocol.errors import Unavailable
from jupyter_deployr.webnode.store import BlobDamaged, Blobs


class SnapshotChecks:
    """What is wrong with contents, by digest, as sentences that name no path. Nothing is unpickled for it."""

    def __init__(self, blobs: Blobs, node: ComputeNode) -> None:
        self._blobs = blobs
        self._node = node
        self._found: dict[str, str] = {}
        self._damages: dict[str, str] = {}
        self._looked_at: dict[str, object] = {}
        self._on_fault: Callable[[str, str], object] | None = None
        self._manifests: dict[str, Mapping[str, Any]] = {}

    def known(self, digest: str | None) -> str | None:
        """What was wrong with that content when it was last looked at; None when nothing was, or nobody has looked."""
        return None if digest is None else self._found.get(digest)

    def damage(self, digest: str) -> str | None:
        """How that content was damaged when it was last looked at: the end of a sentence, as `BlobDamaged` has it."""
        return self._damages.get(digest)

    def differences(self, digest: str | None) -> list[str]:
        """How the packages here differ from those that the content was made with, as far as it was looked at."""
        manifest = None if digest is None else self._manifests.get(digest)
        return [] if manifest is None else self._node.differences(manifest)

    def tell(self, on_fault: Callable[[str, str], object]) -> None:
        """Have `on_fault(digest, sentence)` called, in whatever thread, when a check finds what wasn't known before."""
        self._on_fault = on_fault

    def check(self, digest: str) -> str | None:
        """What is wrong with that content now. Reads each state of a file once. Blocking: call it in a thread.

        Raises Unavailable when nobody can say now.
        """
        fault = self._fault(digest)
        if fault is None:
            self._found.pop(digest, None)
        elif self._found.get(digest) != fault:
            self._found[digest] = fault
            if self._on_fault is not None:
                self._on_fault(digest, fault)
        return fault

    def check_stored(self, digest: str) -> None:
        """`check` what lies under that digest, if anything does: workers may run on it."""
        if self._blobs.state(digest) is not None:
            self.check(digest)

    def look(self, digests: Set[str]) -> None:
        """Check those of the contents that were written to, replaced or removed since the last look. Blocking."""
        looked_at: dict[str, object] = {}
        for digest in digests:
            state = self._blobs.state(digest)
            if digest not in self._looked_at or self._looked_at[digest] != state:
                try:
                    self.check(digest)
                except Unavailable:
                    # Looked at again next time.
                    continue
            looked_at[digest] = state
        self._looked_at = looked_at

    def _fault(self, digest: str) -> str | None:
        try:
            self._blobs.verify(digest)
            self._damages.pop(digest, None)
            manifest = Snapshot(self._blobs.path(digest)).manifest
        except BlobDamaged as fault:
            self._damages[digest] = str(fault)
            return f"The content of its snapshot {fault}: publish the version again."
        except SnapshotError:
            return "Its snapshot is not one that this version of the server reads: publish the version again."
        self._manifests[digest] = manifest
        return self._node.refusal(manifest)
