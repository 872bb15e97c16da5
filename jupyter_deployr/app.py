"""`jupyter deployr …`: the command line, one subcommand per verb."""

from __future__ import annotations

import logging
import sys

from traitlets import Bool, Int, List, Unicode, default

from jupyter_deployr.account_commands import RotateKeyApp, UserApp
from jupyter_deployr.command import Command, CommandGroup, fail
from jupyter_deployr.protocol.errors import DeployRError
from jupyter_deployr.protocol.places import DEFAULT_PORT


class ServeApp(Command):
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
    database = Unicode("", help="URL of an SQLite or PostgreSQL database; by default one in the data directory.").tag(
        config=True
    )
    database_busy_seconds = Int(
        30, min=0, help="How long to wait for a lock that another process has in the database."
    ).tag(config=True)
    workers = Int(2, min=1, help="Worker processes per service version.").tag(config=True)
    max_queue = Int(1000, min=1, help="Calls that may wait per service version.").tag(config=True)
    max_sessions = Int(80, min=1, help="Sessions that may be live at once.").tag(config=True)
    idle_session_seconds = Int(
        24 * 3600, min=0, help="How long a session may go without a request before it is closed; 0 is for ever."
    ).tag(config=True)
    warm_sessions = Int(1, min=0, help="Sessions to keep started for who opens one next.").tag(config=True)
    snapshot_load_seconds = Int(
        60, min=1, help="How long an object may take to load; one that takes longer is not kept in a snapshot."
    ).tag(config=True)
    max_body_bytes = Int(100 * 1024 * 1024, min=1, help="Largest body of a call.").tag(config=True)
    slow_request_seconds = Int(
        20, min=1, help="How long the head of a request may take, or its body bring less than 500 bytes a second."
    ).tag(config=True)
    keep_alive_seconds = Int(
        75, min=1, help="How long a connection may be idle between two requests before it is closed."
    ).tag(config=True)
    max_batch_records = Int(1_000_000, min=1, help="Largest number of records in one batch execution.").tag(config=True)
    batch_retention_seconds = Int(
        7 * 24 * 3600, min=1, help="How long a batch execution is kept after its end, if nobody deletes it."
    ).tag(config=True)
    access_token_seconds = Int(3600, min=1, help="Life of an access token.").tag(config=True)
    refresh_token_seconds = Int(14 * 24 * 3600, min=1, help="Life of an unused refresh token.").tag(config=True)
    sign_in_seconds = Int(
        90 * 24 * 3600, min=1, help="How long a sign-in may be renewed before a password is asked for again."
    ).tag(config=True)
    signing_key_seconds = Int(
        90 * 24 * 3600, min=0, help="After what time a new key signs access tokens; 0 is never."
    ).tag(config=True)
    drain_seconds = Int(15, min=0, help="How long running requests may take to end after SIGTERM.").tag(config=True)
    threads = Int(1, min=1, help="OpenMP and BLAS threads of each worker and session.").tag(config=True)
    preload = List(
        Unicode(), help="Modules to import before workers and sessions are forked; by default numpy, pandas and others."
    ).tag(config=True)
    pass_environment = List(Unicode(), help="Environment variables that user code may see.").tag(config=True)

    aliases = {**Command.aliases, "ip": "ServeApp.ip", "port": "ServeApp.port"}
    flags = {
        "embedded": ({"ServeApp": {"embedded": True}}, "Take another free port when the port is taken."),
        "debug": ({"Application": {"log_level": logging.DEBUG}}, "Log everything."),
    }

    @default("preload")
    def _default_preload(self) -> list[str]:
        from jupyter_deployr.webnode import ComputeSettings

        return list(ComputeSettings.preload)

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
            database_busy_seconds=self.database_busy_seconds,
            access_token_seconds=self.access_token_seconds,
            refresh_token_seconds=self.refresh_token_seconds,
            sign_in_seconds=self.sign_in_seconds,
            signing_key_seconds=self.signing_key_seconds,
            max_body_bytes=self.max_body_bytes,
            slow_request_seconds=self.slow_request_seconds,
            keep_alive_seconds=self.keep_alive_seconds,
            max_sessions=self.max_sessions,
            idle_session_seconds=self.idle_session_seconds,
            max_batch_records=self.max_batch_records,
            batch_retention_seconds=self.batch_retention_seconds,
            drain_seconds=self.drain_seconds,
            compute=ComputeSettings(
                workers=self.workers,
                max_queue=self.max_queue,
                preload=tuple(self.preload),
                environment=tuple(self.pass_environment),
                threads=self.threads,
                warm_sessions=self.warm_sessions,
                snapshot_load_seconds=self.snapshot_load_seconds,
            ),
        )
        try:
            run(settings)
        except (CannotStart, DeployRError) as error:
            fail(error)


class StopApp(Command):
    """Stop the server of this data directory; services stay published and come back with the next start."""

    name = "jupyter-deployr-stop"
    description = __doc__

    def start(self) -> None:
        from jupyter_deployr.client import embedded

        if embedded.stop(self.directory):
            print("The DeployR server has stopped.")
        else:
            print("No DeployR server is running.")


class StatusApp(Command):
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


class DeployRApp(CommandGroup):
    """Publish notebook sessions as web services."""

    name = "jupyter-deployr"
    description = __doc__
    subcommands = {
        "serve": (ServeApp, ServeApp.__doc__),
        "stop": (StopApp, StopApp.__doc__),
        "status": (StatusApp, StatusApp.__doc__),
        "user": (UserApp, UserApp.__doc__),
        "rotate-key": (RotateKeyApp, RotateKeyApp.__doc__),
    }


def main() -> None:
    """Entry point of `jupyter deployr`."""
    DeployRApp.launch_instance()
