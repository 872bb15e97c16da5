"""A bar for what takes long."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jupyter_deployr.protocol.models import SnapshotProgress

_PATIENCE_SECONDS = 2


@contextmanager
def saving_bar() -> Iterator[Callable[[SnapshotProgress], None]]:
    """A bar of the bytes saved, which appears when that takes its time and goes with the block."""
    from tqdm.auto import tqdm

    bar: tqdm[Any] | None = None
    begun = time.monotonic()

    def show(progress: SnapshotProgress) -> None:
        nonlocal bar
        if time.monotonic() - begun < _PATIENCE_SECONDS:
            return
        if bar is None:
            bar = tqdm(desc=progress.name, unit="B", unit_scale=True, leave=False)
        bar.set_description(progress.name, refresh=False)
        bar.n = progress.written
        bar.refresh()

    try:
        yield show
    finally:
        if bar is not None:
            bar.close()
