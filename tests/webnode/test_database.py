"""Databases of other versions."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

from jupyter_deployr.protocol.parameters import Parameter
from jupyter_deployr.webnode import store
from jupyter_deployr.webnode.store import Database, DatabaseTooNew, VersionStore


def _at_revision(path: Path, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(store.__file__).parent / "migrations"))
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()


def test_an_older_database_is_migrated_and_kept_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite3"
    _at_revision(path, "0001")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "INSERT INTO versions (name, version, published_by, created, code, inputs, outputs, output_files) "
            "VALUES ('Old', 'V1', 'ann', 1.0, 'x = 1', '[[\"a\", \"vector\"]]', '[]', '[]')"
        )
    database = Database(f"sqlite:///{path}")
    (version,) = VersionStore(database).all()
    assert (version.name, version.inputs, version.isolation, version.notes) == (
        "Old",
        (Parameter("a", "vector"),),
        "namespace",
        (),
    )
    database.close()
    with closing(sqlite3.connect(tmp_path / "x.sqlite3.0001")) as kept:
        assert kept.execute("SELECT version_num FROM alembic_version").fetchall() == [("0001",)]
        assert kept.execute("SELECT name FROM versions").fetchall() == [("Old",)]


def test_a_current_database_is_not_copied(tmp_path: Path) -> None:
    for _ in range(2):
        Database(f"sqlite:///{tmp_path / 'x.sqlite3'}").close()
    assert {path.name for path in tmp_path.iterdir()} == {"x.sqlite3", "x.sqlite3.reserve"}


def test_a_newer_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite3"
    Database(f"sqlite:///{path}").close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    before = path.read_bytes()
    with pytest.raises(DatabaseTooNew, match="9999"):
        Database(f"sqlite:///{path}")
    assert path.read_bytes() == before
