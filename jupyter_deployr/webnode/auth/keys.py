"""The keys that sign access tokens: the newest one signs, the others verify until what they signed has expired."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from jupyter_deployr.protocol.places import write_private

_log = logging.getLogger(__name__)

LEEWAY_SECONDS = 90


class DamagedKey(Exception):
    """A file in the directory of keys that is no key; the text names it."""


@dataclass(frozen=True)
class SigningKey:
    """A private key, its id, which is the `kid` of tokens, when it was made, in epoch seconds, and its file."""

    id: str
    created: float
    private: ec.EllipticCurvePrivateKey
    path: Path


class SigningKeys:
    """The keys in `directory`, one file each, which other processes may add to and remove from at any time.

    `token_seconds` is how long a token is valid, `key_seconds` after what time a new key takes over by itself (0 for
    never). Safe to use from several threads. Raises DamagedKey, OSError.
    """

    def __init__(self, directory: Path, token_seconds: float, key_seconds: float = 0) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory = directory
        self._token_seconds = token_seconds
        self._key_seconds = key_seconds
        self._lock = threading.Lock()
        self._names = self._listed()
        self._keys = [_read(directory / name) for name in self._names]

    def current(self) -> SigningKey:
        """The key to sign with."""
        with self._lock:
            self._look()
            if not self._keys or 0 < self._key_seconds < time.time() - self._keys[-1].created:
                self._add()
            else:
                self._remove_expired()
            return self._keys[-1]

    def find(self, identity: str) -> ec.EllipticCurvePublicKey | None:
        """The public half of the key of that id."""
        with self._lock:
            self._look()
            return next((key.private.public_key() for key in self._keys if key.id == identity), None)

    def rotate(self) -> SigningKey:
        """A new key, which signs from now on."""
        with self._lock:
            self._look()
            return self._add()

    def remove_others(self) -> None:
        """Keep the newest key only: no token that another one has signed is valid any more."""
        with self._lock:
            self._look()
            self._remove(self._keys[:-1])

    def _listed(self) -> list[str]:
        """The names of the files, oldest key first: they begin with the time."""
        return sorted(path.name for path in self._directory.iterdir() if path.suffix == ".pem" and path.name[0] != ".")

    def _look(self) -> None:
        """See what other processes have changed; a file that is no key counts for nothing."""
        names = self._listed()
        if names == self._names:
            return
        known = {key.path.name: key for key in self._keys}
        keys = []
        for name in names:
            try:
                keys.append(known.get(name) or _read(self._directory / name))
            except (DamagedKey, OSError) as error:
                _log.error("%s", error)
        self._names, self._keys = names, keys

    def _add(self) -> SigningKey:
        private = ec.generate_private_key(ec.SECP256R1())
        pem = private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path = self._directory / f"{round(time.time() * 1000):015}-{_id(private)}.pem"
        write_private(path, pem.decode("ascii"))
        self._names.append(path.name)
        self._keys.append(_read(path))
        return self._keys[-1]

    def _remove_expired(self) -> None:
        """A key has signed until the next one was there."""
        over = time.time() - self._token_seconds - LEEWAY_SECONDS
        self._remove([key for key, successor in pairwise(self._keys) if successor.created < over])

    def _remove(self, keys: list[SigningKey]) -> None:
        for key in keys:
            key.path.unlink(missing_ok=True)
        if keys:
            self._look()


def _read(path: Path) -> SigningKey:
    try:
        private = serialization.load_pem_private_key(path.read_bytes(), password=None)
        milliseconds, _, identity = path.stem.partition("-")
        created = int(milliseconds) / 1000
    except ValueError as error:
        raise DamagedKey(f"the signing key {path} can't be used: {error}".splitlines()[0]) from None
    if not isinstance(private, ec.EllipticCurvePrivateKey) or _id(private) != identity:
        raise DamagedKey(f"the signing key {path} can't be used: it isn't the key that its name says")
    return SigningKey(identity, created, private, path)


def _id(private: ec.EllipticCurvePrivateKey) -> str:
    encoded = private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(encoded).hexdigest()[:16]
