"""How a web node runs: what the operator may choose, with the defaults."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from jupyter_deployr.computenode import ComputeSettings
from jupyter_deployr.protocol.places import DEFAULT_PORT


@dataclass(frozen=True)
class Settings:
    """Seconds and bytes throughout.

    `embedded` takes another free port when `port` is taken. `database` is the URL of an SQLite or PostgreSQL database,
    which may have a password in it; without one, SQLite in the data directory. `idle_session_seconds` 0 is for ever,
    `signing_key_seconds` 0 too.
    """

    data_dir: Path
    ip: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    embedded: bool = False
    database: str | None = field(default=None, repr=False)
    database_busy_seconds: int = 30
    access_token_seconds: int = 3600
    refresh_token_seconds: int = 14 * 24 * 3600
    sign_in_seconds: int = 90 * 24 * 3600
    signing_key_seconds: int = 90 * 24 * 3600
    max_body_bytes: int = 100 * 1024 * 1024
    slow_request_seconds: int = 20
    keep_alive_seconds: int = 75
    max_sessions: int = 80
    idle_session_seconds: int = 24 * 3600
    max_batch_records: int = 1_000_000
    batch_retention_seconds: int = 7 * 24 * 3600
    drain_seconds: int = 15
    compute: ComputeSettings = field(default_factory=ComputeSettings)

    @property
    def database_url(self) -> str:
        """The SQLAlchemy URL of the database."""
        return self.database or f"sqlite:///{self.data_dir / 'deployr.sqlite3'}"

    @property
    def database_kind(self) -> str:
        """The kind of database: `sqlite` or `postgresql`."""
        return "postgresql" if self.database_url.startswith("postgres") else "sqlite"
