"""A service worker: a process that holds one version and answers its calls, one after the other."""

from __future__ import annotations

import gc
import json
import os
import random
import socket
import sys
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from jupyter_deployr.computenode.channel import Request, WorkerEnd
from jupyter_deployr.computenode.definition import Isolation, ServiceDefinition
from jupyter_deployr.computenode.descendants import end_children
from jupyter_deployr.computenode.one_shot import in_child
from jupyter_deployr.computenode.outbox import Outbox
from jupyter_deployr.computenode.reports import Answer
from jupyter_deployr.computenode.service import LoadedService, LoadError, error_message
from jupyter_deployr.protocol.errors import StorageFull, says_disk_full
from jupyter_deployr.protocol.strict_json import write_json


def run(channel: socket.socket, arguments: Mapping[str, Any]) -> None:
    """What a fork for a worker runs: load the version that the first frame names, then answer calls."""
    reseed()
    sys.path.insert(0, "")
    # Compiled modules are no files of the version's, and no change that a call makes.
    sys.dont_write_bytecode = True
    end = WorkerEnd(channel, _outbox(arguments["outbox"]))
    give_way()
    version: _Version = _NotLoaded()
    for sequence, code, payload in end.frames():
        began = time.perf_counter_ns()
        if code == Request.LOAD:
            definition = ServiceDefinition.from_json(json.loads(payload))
            (status, answer), version = _loaded(definition, Path(arguments["directory"]), Path(arguments["pristine"]))
            gc.collect()
            gc.freeze()
        else:
            status, answer = version.call(payload)
        end.reply(answer, sequence, status, (time.perf_counter_ns() - began) // 1000)
        version.restore()
    os._exit(0)


def _outbox(descriptor: int | None) -> Outbox | None:
    if descriptor is None:
        return None
    outbox = Outbox(descriptor)
    os.close(descriptor)
    return outbox


def give_way() -> None:
    """Be scheduled as what computes, not as what waits: a call that arrives then doesn't take the processor from the
    web node that is handing out more of them."""
    if sys.platform == "linux":
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def reseed() -> None:
    """Forks of one process would all draw the same random numbers."""
    random.seed()
    np.random.seed()


class _Version(Protocol):
    """What a worker needs of the version that it holds."""

    def call(self, body: bytes) -> Answer: ...

    def restore(self) -> None: ...


class _NotLoaded:
    """Before the version is there, or when it couldn't be loaded."""

    def call(self, body: bytes) -> Answer:
        raise AssertionError("a call before the version was loaded")

    def restore(self) -> None:
        """Nothing to put back."""


class _OneShot:
    """A version each of whose calls has a process of its own."""

    def __init__(self, service: LoadedService) -> None:
        self._service = service

    def call(self, body: bytes) -> Answer:
        return in_child(lambda: _reseeded_call(self._service, body))

    def restore(self) -> None:
        """Nothing happened in this process, but what the call's process has left running came to it, and the files are
        everybody's."""
        end_children()
        self._service.restore_files()


def _loaded(definition: ServiceDefinition, directory: Path, pristine: Path) -> tuple[Answer, _Version]:
    """Load the version; returns the answer to the load request, and what answers its calls."""
    try:
        service = LoadedService(definition, directory, pristine)
        if definition.isolation != Isolation.PROCESS:
            return (200, write_json({"notes": service.notes})), service
        # The init code would spoil this process as a template for the calls', so it is tried in one of them.
        return in_child(lambda: _init_only(service)), _OneShot(service)
    except LoadError as error:
        return _refused(error), _NotLoaded()
    except Exception as error:
        status = StorageFull.status if says_disk_full(error) else 500
        return (status, _reason(error_message(error), traceback.format_exc())), _NotLoaded()


def _refused(error: LoadError) -> Answer:
    """The version is at fault, unless its init code found the disk full."""
    full = error.__cause__ is not None and says_disk_full(error.__cause__)
    return StorageFull.status if full else 400, _reason(str(error), error.traceback_text)


def _init_only(service: LoadedService) -> Answer:
    try:
        service.run_init_code()
    except LoadError as error:
        return _refused(error)
    return 200, write_json({"notes": service.notes})


def _reseeded_call(service: LoadedService, body: bytes) -> Answer:
    reseed()
    return service.call(body)


def _reason(message: str, traceback_text: str) -> bytes:
    return write_json({"message": message, "traceback": traceback_text})
