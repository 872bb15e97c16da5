"""`jupyter deployr …`: the command line, one subcommand per verb."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import NoReturn

from jupyter_core.application import JupyterApp
from traitlets import Bool, Int, List, Unicode

from jupyter_deployr import __version__
from jupyter_deployr.protocol.errors import DeployRError
from jupyter_deployr.protocol.places import DEFAULT_PORT, default_data_dir

_HELP = frozenset({"h", "help", "help-all", "version", "V"})


def _fail(reason: object) -> NoReturn:
    """End with a one-line reason on stderr."""
    sys.exit(f"jupyter deployr: {str(reason).strip()}")


class _Command(JupyterApp):
    """What all commands share: the data directory they are about, and one-line errors for what they are given."""

    version = __version__
    raise_config_file_errors = Bool(True)
    data_dir = Unicode(help="Where the server keeps everything; by default `deployr` in Jupyter's data directory.").tag(
        config=True
    )
    aliases = {"data-dir": "_Command.data_dir", "config": "JupyterApp.config_file"}
    flags = {}

    @property
    def directory(self) -> Path:
        """The data directory."""
        return Path(self.data_dir).expanduser().resolve() if self.data_dir else default_data_dir().resolve()

    def initialize(self, argv: list[str] | None = None) -> None:
        given = sys.argv[1:] if argv is None else argv
        if not (given and given[0] in self.subcommands):
            self._refuse_unknown(given)
        try:
            super().initialize(argv)
        except Exception as error:
            # A configuration file is Python and may fail in any way.
            _fail(f"{self.config_file}: {type(error).__name__}: {error}" if self.config_file else error)
        if self.config_file and not Path(self.config_file).is_file():
            _fail(f"the configuration file {self.config_file} is not there")
        if self.extra_args and self.subapp is None:
            _fail(f"unexpected argument {self.extra_args[0]!r}; see --help")

    def _refuse_unknown(self, given: list[str]) -> None:
        """A misspelt option would otherwise be dropped, and another server started than the one that was meant."""
        for word in given:
            name = word.lstrip("-").partition("=")[0]
            if word.startswith("-") and not self._is_option(name):
                _fail(f"unknown option {word.partition('=')[0]}; see --help")

    def _is_option(self, name: str) -> bool:
        if name in self.aliases or name in self.flags or name in _HELP or name.isdigit():
            return True
        owner, dot, trait = name.partition(".")
        return bool(dot) and any(
            kind.__name__ == owner and kind.class_traits().get(trait)
            for kind in type(self).mro()
            if hasattr(kind, "class_traits")
        )


class ServeApp(_Command):
    """Serve the DeployR API until SIGTERM or Ctrl-C."""

    name = "jupyter-deployr-serve"
    description = __doc__

    ip = Unicode("127.0.0.1", help="Address to listen on; other than loopback needs DEPLOYR_ADMIN_PASSWORD.").tag(
        config=True
    )
    port = Int(DEFAULT_PORT, help="Port to listen on; 0 takes a free one.").tag(config=True)
    embedded = Bool(False, help="Take another free port when the port is taken, as the server of a laptop does.").tag(
        config=True
    )
    database = Unicode("", help="SQLAlchemy URL of the database; by default SQLite in the data directory.").tag(
        config=True
    )
    workers = Int(2, min=1, help="Worker processes per service version.").tag(config=True)
    max_queue = Int(1000, min=1, help="Calls that may wait per service version.").tag(config=True)
    max_sessions = Int(80, min=1, help="Sessions that may be live at once.").tag(config=True)
    max_body_bytes = Int(100 * 1024 * 1024, min=1, help="Largest body of a call.").tag(config=True)
    access_token_seconds = Int(3600, min=1, help="Life of an access token.").tag(config=True)
    refresh_token_seconds = Int(14 * 24 * 3600, min=1, help="Life of an unused refresh token.").tag(config=True)
    drain_seconds = Int(15, min=0, help="How long running requests may take to end after SIGTERM.").tag(config=True)
    threads = Int(1, min=1, help="OpenMP and BLAS threads of each worker and session.").tag(config=True)
    preload = List(Unicode(), help="Modules to import before workers and sessions are forked.").tag(config=True)
    pass_environment = List(Unicode(), help="Environment variables that user code may see.").tag(config=True)

    aliases = {**_Command.aliases, "ip": "ServeApp.ip", "port": "ServeApp.port"}
    flags = {
        "embedded": ({"ServeApp": {"embedded": True}}, "Take another free port when the port is taken."),
        "debug": ({"Application": {"log_level": logging.DEBUG}}, "Log everything."),
    }

    def start(self) -> None:
        from jupyter_deployr.webnode import CannotStart, ComputeSettings, Settings, run

        level = int(self.log_level)  # type: ignore[call-overload]
        logging.basicConfig(level=level, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
        for chatty in ("alembic", "uvicorn"):
            logging.getLogger(chatty).setLevel(max(level, logging.WARNING))
        settings = Settings(
            data_dir=self.directory,
            ip=self.ip,
            port=self.port,
            embedded=self.embedded,
            database=self.database or None,
            access_token_seconds=self.access_token_seconds,
            refresh_token_seconds=self.refresh_token_seconds,
            max_body_bytes=self.max_body_bytes,
            max_sessions=self.max_sessions,
            drain_seconds=self.drain_seconds,
            compute=ComputeSettings(
                workers=self.workers,
                max_queue=self.max_queue,
                preload=tuple(self.preload),
                environment=tuple(self.pass_environment),
                threads=self.threads,
            ),
        )
        try:
            run(settings)
        except (CannotStart, DeployRError) as error:
            _fail(error)


class StopApp(_Command):
    """Stop the server of this data directory; services stay published and come back with the next start."""

    name = "jupyter-deployr-stop"
    description = __doc__

    def start(self) -> None:
        from jupyter_deployr.client import embedded

        if embedded.stop(self.directory):
            print("The DeployR server has stopped.")
        else:
            print("No DeployR server is running.")


class StatusApp(_Command):
    """Tell whether the server of this data directory runs, and where; exits with 1 when it doesn't."""

    name = "jupyter-deployr-status"
    description = __doc__

    def start(self) -> None:
        from jupyter_deployr.client import embedded

        record = embedded.find(self.directory)
        if record is None:
            print("No DeployR server is running.")
            sys.exit(1)
        lines = {"URL": record.url, "version": record.version, "pid": record.pid, "data": record.data_dir}
        print("\n".join(f"{name:8} {value}" for name, value in lines.items()))


class DeployRApp(_Command):
    """Publish notebook sessions as web services."""

    name = "jupyter-deployr"
    description = __doc__
    subcommands = {
        "serve": (ServeApp, ServeApp.__doc__),
        "stop": (StopApp, StopApp.__doc__),
        "status": (StatusApp, StatusApp.__doc__),
    }

    def start(self) -> None:
        if self.subapp is None:
            self.print_help()
            sys.exit(2)
        super().start()


def main() -> None:
    """Entry point of `jupyter deployr`."""
    DeployRApp.launch_instance()
