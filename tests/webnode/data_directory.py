"""What lies in a server's data directory, seen from outside."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from contextlib import closing
from pathlib import Path

DATABASE = "deployr.sqlite3"
_PERMANENT = {
    DATABASE,
    f"{DATABASE}-wal",
    f"{DATABASE}-shm",
    f"{DATABASE}.reserve",
    "server.lock",
    "blobs",
    "scratch",
    "signing-keys",
}


def blobs(data_dir: Path) -> set[str]:
    """The digests of the blobs on disk, by their names."""
    return {path.parent.name + path.name for path in (data_dir / "blobs").glob("*/*")}


def blob(data_dir: Path, digest: str) -> Path:
    """Where a blob lies."""
    return data_dir / "blobs" / digest[:2] / digest[2:]


def referenced(data_dir: Path) -> set[str]:
    """The digests that the database refers to."""
    query = "SELECT digest FROM snapshots UNION SELECT digest FROM versions WHERE digest IS NOT NULL"
    with closing(sqlite3.connect(data_dir / DATABASE)) as database:
        return {digest for (digest,) in database.execute(query)}


def digest_of(data_dir: Path, service: str) -> str:
    """The digest of what a service's only version runs on."""
    with closing(sqlite3.connect(data_dir / DATABASE)) as database:
        ((digest,),) = database.execute("SELECT digest FROM versions WHERE name = ?", [service])
        return str(digest)


def check_whole(data_dir: Path) -> None:
    """The database is sound, each blob is what something refers to, and nothing unfinished lies about."""
    with closing(sqlite3.connect(data_dir / DATABASE)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert blobs(data_dir) == referenced(data_dir)
    for digest in blobs(data_dir):
        assert hashlib.sha256(blob(data_dir, digest).read_bytes()).hexdigest() == digest
    assert list((data_dir / "scratch").glob("draft-*")) == []
    strangers = {path.name for path in data_dir.iterdir() if not re.fullmatch(rf"{DATABASE}\.\d{{4}}", path.name)}
    strangers -= _PERMANENT
    strangers |= {path.name for path in (data_dir / "signing-keys").glob(".*")}
    assert not strangers, f"left behind: {strangers}"


def rows(data_dir: Path, *tables: str) -> int:
    """How many rows some tables have together."""
    with closing(sqlite3.connect(data_dir / DATABASE)) as database:
        return sum(database.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables)
