"""The URL that names the database: which ones are understood, and what is wrong with another, without its password."""

from __future__ import annotations

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

_SQLITE = ("sqlite", "sqlite+pysqlite")
_POSTGRESQL = ("postgresql", "postgres", "postgresql+psycopg")


class UnusableURL(Exception):
    """The database URL is not one that is understood. The text has no part of it that may be secret."""


def read_url(text: str) -> URL:
    """The URL of an SQLite or PostgreSQL database, with the driver that is used here. Raises UnusableURL."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        url = None
    # An @ in the host is one of the password: what is read as the host has the rest of the password in it.
    if url is None or "@" in (url.host or ""):
        raise UnusableURL(
            "its URL can't be read: write postgresql://USER:PASSWORD@HOST:PORT/NAME, with what isn't a letter or digit "
            "in the password as % and two hexadecimal digits"
        )
    if url.drivername in _SQLITE:
        return url
    if url.drivername in _POSTGRESQL:
        return url.set(drivername="postgresql+psycopg")
    raise UnusableURL(f"its URL begins with {url.drivername}://, and only sqlite:// and postgresql:// are understood")
