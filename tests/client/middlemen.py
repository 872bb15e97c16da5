"""What may stand between a client and a server: TLS, a proxy, a network that cuts connections. All real, all local."""

from __future__ import annotations

import datetime
import http.client
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_CHUNK = 65536


def pump(source: socket.socket, target: socket.socket, passing: Callable[[bytes], int] = len) -> None:
    """Forward what comes until it ends, or until `passing` lets only so many bytes of it through; then close both."""
    with suppress(OSError):
        while chunk := source.recv(_CHUNK):
            through = passing(chunk)
            target.sendall(chunk[:through])
            if through < len(chunk):
                break
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


class Forwarder:
    """Forwards connections to a port of this machine; with `tls`, clients must speak TLS. A context manager.

    A connection ends where an answer has the first of `cut_at`, which is the last that gets through, and is used up.
    """

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        self._to = port
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.port: int = self._listener.getsockname()[1]
        self.cut_at: list[bytes] = []
        self.connections = 0

    def __enter__(self) -> Forwarder:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        for opened in [self._listener, *self._open]:
            with suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)
            opened.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._open.append(client)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError):
            if self._tls is not None:
                client = self._tls.wrap_socket(client, server_side=True)
                self._open.append(client)
            self.connections += 1
            server = socket.create_connection(("127.0.0.1", self._to))
            self._open.append(server)
            threading.Thread(target=pump, args=(client, server), daemon=True).start()
            pump(server, client, self._passing)

    def _passing(self, chunk: bytes) -> int:
        found = chunk.find(self.cut_at[0]) if self.cut_at else -1
        if found < 0:
            return len(chunk)
        return found + len(self.cut_at.pop(0))


class ForwardProxy:
    """An HTTP proxy: plain requests with a whole URL, and tunnels by CONNECT. A context manager.

    It reaches any host on this machine, and tells what it was asked for, and with which Proxy-Authorization.
    """

    def __init__(self, refuses: bool = False) -> None:
        """`refuses` says whether it answers everything with 407."""
        asked = self.asked = []  # type: list[tuple[str, str, str | None]]
        tokens = self.tokens = []  # type: list[str]

        class Handler(BaseHTTPRequestHandler):
            def forward(self) -> None:
                asked.append((self.command, self.path, self.headers.get("Proxy-Authorization")))
                if refuses:
                    self.send_error(407)
                    return
                target = urlsplit(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name: value for name, value in self.headers.items() if not name.startswith("Proxy-")}
                tokens.append(headers.get("Authorization", ""))
                upstream = http.client.HTTPConnection("127.0.0.1", target.port or 80, timeout=60)
                upstream.request(self.command, target.path, body, headers)
                answer = upstream.getresponse()
                content = answer.read()
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.headers.get("Content-Type", ""))
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
                upstream.close()

            do_GET = do_POST = do_DELETE = forward  # noqa: N815

            def do_CONNECT(self) -> None:
                asked.append((self.command, self.path, self.headers.get("Proxy-Authorization")))
                if refuses:
                    self.send_error(407)
                    return
                server = socket.create_connection(("127.0.0.1", int(self.path.rpartition(":")[2])))
                self.send_response(200)
                self.end_headers()
                back = threading.Thread(target=pump, args=(server, self.connection), daemon=True)
                back.start()
                pump(self.connection, server)
                back.join()
                server.close()
                self.close_connection = True

            def log_message(self, *args: Any) -> None:
                pass

        self._listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._listening.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._listening.server_port}"

    def __enter__(self) -> ForwardProxy:
        self._thread = threading.Thread(target=self._listening.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self._listening.shutdown()
        self._listening.server_close()
        self._thread.join()


@dataclass
class Certificate:
    """Files (PEM) of a certificate, of its key, and of both."""

    certificate: Path
    key: Path
    both: Path


class Authority:
    """A certificate authority of the test's own; `file` is its certificate."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "An authority of a test")])
        own = self._builder(self._name, self._key).add_extension(x509.BasicConstraints(True, None), critical=True)
        own = own.add_extension(self._usage(authority=True), critical=True)
        own = own.add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
        self.file = folder / "authority.pem"
        self.file.write_bytes(own.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def certificate(self, name: str) -> Certificate:
        """A certificate for `localhost` and `deployr.example`, or for whoever shows it."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.DNSName("deployr.example")])
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        built = self._builder(subject, key).add_extension(names, critical=False)
        built = built.add_extension(self._usage(authority=False), critical=True)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        signed = built.add_extension(issuer, critical=False).sign(self._key, hashes.SHA256())
        certificate = signed.public_bytes(serialization.Encoding.PEM)
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        files = Certificate(*(self._folder / f"{name}{suffix}.pem" for suffix in ("", "-key", "-both")))
        files.certificate.write_bytes(certificate)
        files.key.write_bytes(secret)
        files.both.write_bytes(certificate + secret)
        return files

    def context(self, *, asks: bool = False) -> ssl.SSLContext:
        """What a server listens with; `asks` says whether clients must show a certificate of this authority."""
        files = self.certificate("server")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(files.certificate, files.key)
        if asks:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.file)
        return context

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
        )

    def _usage(self, *, authority: bool) -> x509.KeyUsage:
        return x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=authority,
            crl_sign=authority,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
