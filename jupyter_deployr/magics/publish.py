"""`%%publish` and `%publish`."""

from __future__ import annotations

import contextlib
from argparse import Namespace
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import unquote

from IPython.core.error import UsageError
from IPython.core.magic import line_cell_magic, magics_class

from jupyter_deployr.magics.options import (
    argument,
    description_options,
    isolation_option,
    magic_arguments,
    parameter_options,
    workspace_options,
)
from jupyter_deployr.magics.snapshot import print_unkept, size_line
from jupyter_deployr.magics.verbs import Hints, Verbs, verb
from jupyter_deployr.protocol.errors import Conflict, DeployRError, NotFound

if TYPE_CHECKING:
    from jupyter_deployr.protocol.models import PublishWebServiceRequest

# Bytes of a workspace that callers will notice.
_WORTH_TELLING = 10_000_000

_HINTS: Hints = {
    Conflict: "Take another version, or change this one with --update.",
    NotFound: "`%services` lists what there is.",
}


@magics_class
class PublishVerbs(Verbs):
    """Work made a service."""

    @line_cell_magic
    @verb(_HINTS)
    @magic_arguments()
    @argument("name", help="the service")
    @argument("version", nargs="?", help="its version; without it the server makes one up")
    @parameter_options
    @description_options
    @workspace_options
    @isolation_option
    @argument("--update", action="store_true", help="change what is given of a version that exists")
    def publish(self, options: Namespace, cell: str | None) -> None:
        """Publish the cell's code as a web service, on a snapshot of the remote session.

        `%publish`, without a cell, publishes the code of the last %%remote cell. With --update it sends no code and
        changes only what the options give.

        Example::

            %%publish Iris V1.0 -i flower_data:vector -o iris_species:vector
            iris_species = [names[x] for x in clf.predict([flower_data])]

            %publish Iris V1.0 --update --describe "Species of iris by its measures"
        """
        if options.update:
            self._update(options, cell)
        else:
            self._publish(options, cell)

    def _publish(self, options: Namespace, cell: str | None) -> None:
        code = self.session.last_code if cell is None else cell
        if code is None:
            raise UsageError("there is no code to publish: no %%remote cell has run yet")
        request = self._request(options, code)
        request.input_parameter_definitions = options.inputs or []
        request.output_parameter_definitions = options.outputs or []
        client = self.connection.client
        with self._workspace(options) as request.snapshot_id:
            if options.version is None:
                where = client.publish_web_service(options.name, request)
            else:
                where = client.publish_web_service_version(options.name, options.version, request)
        print(f"Published {options.name}{f' {options.version}' if options.version else ''}: POST {where}")
        self._print_notes(options.name, options.version or unquote(where.rpartition("/")[2]))

    def _update(self, options: Namespace, cell: str | None) -> None:
        if options.version is None:
            raise UsageError("--update needs the version to change")
        given = (
            options.inputs, options.outputs, options.describe, options.alias, options.snapshot, options.init,
            options.isolation, cell,
        )  # fmt: skip
        if all(each is None for each in given):
            raise UsageError("there is nothing to update: give a cell, --describe, -i, -o or another option")
        if cell is None and options.snapshot is None:
            options.snapshot = "none"
        request = self._request(options, cell)
        client = self.connection.client
        with self._workspace(options) as request.snapshot_id:
            where = client.patch_web_service_version(options.name, options.version, request)
        print(f"Updated {options.name} {options.version}: POST {where}")
        self._print_notes(options.name, options.version)

    def _print_notes(self, name: str, version: str) -> None:
        """What the publisher should know of the version: what calls may leave behind, which packages differ."""
        for service in self.connection.client.get_web_service_version(name, version):
            for note in (*service.notes, *service.differences):
                print(f"Note: {note}")

    def _request(self, options: Namespace, code: str | None) -> PublishWebServiceRequest:
        from jupyter_deployr.protocol.models import PublishWebServiceRequest

        return PublishWebServiceRequest(
            code=code,
            description=options.describe,
            operation_id=options.alias,
            input_parameter_definitions=options.inputs,
            output_parameter_definitions=options.outputs,
            runtime_type="Python",
            init_code=None if options.init is None else self._code_in(options.init),
            isolation=options.isolation,
        )

    def _code_in(self, variable: str) -> str:
        code = self.ipython.user_ns.get(variable)
        if not isinstance(code, str):
            raise UsageError(f"--init {variable}: there is no variable of that name that holds code as text")
        return code

    @contextlib.contextmanager
    def _workspace(self, options: Namespace) -> Iterator[str | None]:
        """The id of the snapshot to publish. One made for it is deleted afterwards: versions keep their own copy."""
        if options.snapshot == "none" or (options.snapshot is None and not self.session.exists):
            yield None
            return
        if options.snapshot is not None:
            yield self._find_snapshot(options.snapshot)
            return
        from jupyter_deployr.protocol.models import CreateSnapshotRequest

        snapshot = self.session.snapshot(CreateSnapshotRequest(f"for {options.name}"))
        if (snapshot.content_size or 0) >= _WORTH_TELLING:
            print(f"The workspace has {size_line(snapshot)}")
        print_unkept(snapshot)
        assert snapshot.snapshot_id is not None
        try:
            yield snapshot.snapshot_id
        finally:
            try:
                self.connection.client.delete_snapshot(snapshot.snapshot_id)
            except DeployRError as fault:
                print(f"The temporary snapshot {snapshot.snapshot_id} could not be deleted: {fault}")

    def _find_snapshot(self, name_or_id: str) -> str:
        mine = self.connection.client.list_snapshots()
        chosen = [each for each in mine if each.id == name_or_id] or sorted(
            (each for each in mine if each.name == name_or_id), key=lambda each: each.creation_time or ""
        )
        if not chosen or chosen[-1].id is None:
            names = ", ".join(sorted({each.name for each in mine if each.name})) or "none"
            raise UsageError(f"you have no snapshot {name_or_id!r} (your snapshots: {names})")
        return chosen[-1].id
