"""`%consume`."""

from __future__ import annotations

from typing import Any

from IPython.core.error import UsageError
from IPython.core.magic import line_magic, magics_class, needs_local_scope, no_var_expand

from jupyter_deployr.magics import assignments
from jupyter_deployr.magics.failures import CellFailed, one_line
from jupyter_deployr.magics.verbs import Verbs, raw_verb
from jupyter_deployr.protocol.errors import NotFound


@magics_class
class ConsumeVerbs(Verbs):
    """Calls of services."""

    @line_magic
    @needs_local_scope
    @no_var_expand
    @raw_verb({NotFound: "`%services` lists what there is."})
    def consume(self, line: str, cell: None, local_ns: dict[str, Any] | None = None) -> Any:
        """Call a service: `%consume NAME [VERSION] input=expression …`

        The values are Python expressions of this notebook. Without a version, the newest one is called. Returns the
        output's value, or a dict of them when the service has several; what the service prints is shown.

        Example::

            %consume Iris V1.0 flower_data=[7, 3.2, 4.7, 1.4]
        """
        words, expressions = assignments.split(line)
        if not 1 <= len(words) <= 2:
            raise UsageError("%consume takes a service, perhaps its version, and then its inputs as name=expression")
        inputs = assignments.evaluate(expressions, {**self.ipython.user_ns, **(local_ns or {})})
        client = self.connection.client
        name = words[0]
        version = words[1] if len(words) == 2 else self._newest(name)
        result = client.consume(name, version, inputs)
        output = result.console_output or ""
        if output:
            print(output, end="" if output.endswith("\n") else "\n")
        if not result.success:
            raise CellFailed(one_line(f"{name} {version} failed: {result.error_message}"))
        values = result.output_parameters or {}
        if len(values) > 1:
            return values
        return next(iter(values.values()), None)

    def _newest(self, name: str) -> str:
        versions = self.connection.client.get_all_web_service_versions_by_name(name)
        if not versions:
            raise NotFound(f"There is no service named {name!r}.")
        return versions[-1].version
