"""PostgreSQL when a server starts on it: why one doesn't, and databases of other versions."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

from jupyter_deployr.protocol.parameters import Parameter
from jupyter_deployr.webnode import Settings, store
from jupyter_deployr.webnode.store import AccountStore, Database, VersionStore
from tests import postgresql as cluster
from tests import server_process
from tests.api import Api
from tests.postgresql import PostgreSQL, served_on
from tests.server_process import ServerProcess

Start = Callable[..., ServerProcess]


def _refusal(home: Path, url: str, *words: str, **more: str) -> str:
    """The one line that says why a command, `user list` or another, can't use a database."""
    home.mkdir(exist_ok=True)
    database = ("--ServeApp.database" if words else "--database") + f"={url}"
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "jupyter_deployr",
            *(words or ("user", "list")),
            "--data-dir",
            str(home / "deployr"),
            database,
        ],
        env=server_process.environment(home, DEPLOYR_ADMIN_PASSWORD=server_process.PASSWORD, **more),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=home,
    )
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    said = [line for line in done.stderr.splitlines() if line.startswith("jupyter deployr: ")]
    assert len(said) == 1
    assert "Traceback" not in done.stderr
    for secret in (cluster.PASSWORD, cluster.ENCODED_PASSWORD, "cluster-7353", "Canary"):
        assert secret not in done.stderr
    return said[0]


NOWHERE = "127.0.0.1:1/x"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (f"postgresql://deployr:{cluster.PASSWORD}@{NOWHERE}", r"URL can't be read: write postgresql://USER"),
        (f"postgresql://deployr:x@127.0.0.1:{cluster.ENCODED_PASSWORD}/x", r"URL can't be read"),
        (f"mysql://deployr:{cluster.ENCODED_PASSWORD}@{NOWHERE}", r"only sqlite:// and postgresql:// are understood"),
        (f"postgresql+asyncpg://deployr:{cluster.ENCODED_PASSWORD}@{NOWHERE}", r"begins with postgresql\+asyncpg://"),
        (f"postgresql://deployr:{cluster.ENCODED_PASSWORD}@{NOWHERE}?no_such=1", r"can't be opened: .*no_such"),
    ],
)
def test_urls_that_lead_nowhere(tmp_path: Path, url: str, reason: str) -> None:
    assert re.search(reason, _refusal(tmp_path, url))


def test_nobody_there_at_the_start(tmp_path: Path) -> None:
    url = f"postgresql://deployr:{cluster.ENCODED_PASSWORD}@{NOWHERE}"
    assert "Connection refused" in _refusal(tmp_path, url, "serve", "--debug", "--port", "0")


def test_a_wrong_password(tmp_path: Path, postgresql: PostgreSQL) -> None:
    url = postgresql.url("postgres").replace(cluster.ENCODED_PASSWORD, "Canary-that-is-wrong")
    assert "password authentication failed for user" in _refusal(tmp_path, url)


def test_another_encoding(tmp_path: Path, postgresql: PostgreSQL, database_name: str) -> None:
    url = postgresql.new_database(database_name, "ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    assert "its encoding is LATIN1" in _refusal(tmp_path, url)


def test_no_driver(tmp_path: Path, database_url: str) -> None:
    (tmp_path / "psycopg.py").write_text("raise ImportError('not installed')")
    assert "pip install 'jupyter_deployr[postgresql]'" in _refusal(tmp_path, database_url, PYTHONPATH=str(tmp_path))


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_ways_to_write_the_url(tmp_path: Path, database_url: str, scheme: str) -> None:
    url = database_url.replace("postgresql", scheme, 1)
    assert Settings(tmp_path, database=url).database_kind == "postgresql"
    database = Database(url)
    assert AccountStore(database).find("nobody") is None
    database.close()


def test_settings_do_not_show_it(postgresql: PostgreSQL, tmp_path: Path) -> None:
    settings = Settings(tmp_path, database=postgresql.url("x"))
    assert "cluster-7353" not in repr(settings)


def test_one_data_directory_to_a_database(tmp_path: Path, start_server: Start, database_url: str) -> None:
    server = start_server(*served_on(database_url))
    path = Api(server).publish("Ours", "y = 1")
    other = tmp_path / "other"
    reason = _refusal(other, database_url, "serve", "--debug", "--port", "0")
    assert "belongs to another data directory" in reason
    server.kill()
    # The operator who has lost the first one does what the reason says.
    found = re.search(r"write (\S+) into (\S+)", reason)
    assert found
    Path(found[2]).write_text(found[1])
    second = server_process.start(other, *served_on(database_url))
    try:
        assert Api(second).consume(path)["success"]
    finally:
        second.stop()


# ----------------------------------------------------------------------------------------------------------- migrations


def _at_revision(database_url: str, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(store.__file__).parent / "migrations"))
    engine = create_engine(database_url)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()


def _head(database_url: str) -> str:
    """The newest revision, as a database has it that was just made."""
    Database(database_url).close()
    with psycopg.connect(database_url) as connection:
        ((revision,),) = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    return str(revision)


def test_an_older_one_is_migrated_by_one_of_two_at_once(
    database_url: str, database_name: str, postgresql: PostgreSQL
) -> None:
    head = _head(postgresql.new_database(f"{database_name}_new"))
    _at_revision(database_url, "0001")
    postgresql.query(
        database_name,
        "INSERT INTO versions (name, version, published_by, created, code, inputs, outputs, output_files) "
        "VALUES ('Old', 'V1', 'ann', 1.0, 'x = 1', '[[\"a\", \"vector\"]]', '[]', '[]')",
    )
    with ThreadPoolExecutor() as threads:
        databases = list(threads.map(Database, [database_url] * 4))
    for database in databases:
        (version,) = VersionStore(database).all()
        assert (version.inputs, version.isolation, version.notes) == ((Parameter("a", "vector"),), "namespace", ())
        database.close()
    assert postgresql.query(database_name, "SELECT version_num FROM alembic_version") == [(head,)]


def test_killed_while_it_migrates(
    start_server: Start, database_url: str, database_name: str, postgresql: PostgreSQL
) -> None:
    _at_revision(database_url, "0002")
    with pytest.raises(AssertionError, match="did not start"):
        start_server(*served_on(database_url), DEPLOYR_FAIL_AT="migrate.before_commit")
    assert postgresql.query(database_name, "SELECT version_num FROM alembic_version") == [("0002",)]
    Api(start_server(*served_on(database_url))).publish("New", "y = 1")


def test_a_newer_one_is_refused(tmp_path: Path, database_url: str, database_name: str, postgresql: PostgreSQL) -> None:
    Database(database_url).close()
    postgresql.query(database_name, "UPDATE alembic_version SET version_num = '9999'")
    assert "revision 9999" in _refusal(tmp_path, database_url)
    assert postgresql.query(database_name, "SELECT version_num FROM alembic_version") == [("9999",)]
