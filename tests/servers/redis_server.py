"""Redis and its relatives, each as one process."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import redis

from tests.servers.binaries import Binary
from tests.servers.certificates import Certificates
from tests.servers.ports import HOST, free_ports
from tests.servers.process import Process
from tests.servers.reaper import get_reaper
from tests.servers.waiting import wait_until

CLUSTER_BUS_OFFSET = 10_000


class RedisServer:
    """One server. Leaving the context ends it; ``kill``, ``stop`` and ``restart`` keep the port.

    Args:
        binary: See ``tests.servers.binaries``.
        password: For ``requirepass``.
        users: Lines of ``user`` rules without the word ``user``, e.g. ``"app on >secret ~djust:* +@all"``.
        maxmemory: E.g. ``"64mb"``.
        policy: The eviction policy.
        unix_socket: Also listen on a socket, see ``unix_url``.
        tls: Also listen with TLS, see ``tls_url``.
        renamed: Commands and their new names; an empty name forbids the command.
        replica_of: The server to replicate.
        persist: Append every write to a file, so that a restart finds it again.
        cluster: Run as a node of a cluster.
        config: More lines of redis.conf.
    """

    host = HOST

    def __init__(
        self,
        binary: Binary,
        *,
        password: str | None = None,
        users: Iterable[str] = (),
        maxmemory: str | None = None,
        policy: str | None = None,
        unix_socket: bool = False,
        tls: bool = False,
        renamed: Mapping[str, str] | None = None,
        replica_of: RedisServer | None = None,
        persist: bool = False,
        cluster: bool = False,
        config: str = "",
    ) -> None:
        self.binary = binary
        self.password = password
        self.directory = get_reaper().new_directory(binary.name)
        self.socket_path = self.directory / "redis.sock" if unix_socket else None
        self.certificates = Certificates(self.directory) if tls else None
        self._cluster = cluster
        self._lines = [
            f"bind {HOST}",
            f"dir {self.directory}",
            "daemonize no",
            "databases 16",
            'save ""',
            f"appendonly {'yes' if persist else 'no'}",
            # What was answered is written: by default a busy disk lets Redis put that off for two seconds.
            "appendfsync always",
            "repl-diskless-sync yes",
            "repl-diskless-sync-delay 0",
        ]
        if cluster:
            self._lines += ["cluster-enabled yes", "cluster-config-file nodes.conf", "cluster-node-timeout 3000"]
        if password is not None:
            self._lines += [f'requirepass "{password}"', f'masterauth "{password}"']
        self._lines += [f"user {rule}" for rule in users]
        self._lines += [f"maxmemory {maxmemory}"] if maxmemory else []
        self._lines += [f"maxmemory-policy {policy}"] if policy else []
        self._lines += [f'rename-command {old} "{new}"' for old, new in (renamed or {}).items()]
        self._lines += [f"replicaof {replica_of.host} {replica_of.port}"] if replica_of else []
        self._lines += config.splitlines()
        self.port = 0
        self.tls_port = 0
        self._process: Process | None = None

    def __enter__(self) -> Self:
        for _attempt in range(5):
            self.port, self.tls_port = free_ports(2, companion_offset=CLUSTER_BUS_OFFSET if self._cluster else 0)
            try:
                self.start()
            except AddressTaken:
                continue
            return self
        raise RuntimeError(f"Found no port for {self.binary.name}.")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.kill()

    # Life and death

    def start(self) -> None:
        """Start on the port it has, and wait until it answers."""
        lines = [*self._lines, f"port {self.port}"]
        if self.socket_path is not None:
            lines.append(f"unixsocket {self.socket_path}")
        if self.certificates is not None:
            lines += [
                f"tls-port {self.tls_port}",
                f"tls-cert-file {self.certificates.server_certificate}",
                f"tls-key-file {self.certificates.server_key}",
                f"tls-ca-cert-file {self.certificates.authority}",
                "tls-auth-clients no",
            ]
        config = self.directory / "redis.conf"
        config.write_text("\n".join(lines) + "\n")
        self._process = Process(
            self.binary.name,
            [str(self.binary.path), str(config)],
            log=self.directory / "log",
            env={**os.environ, **self.binary.env},
            cwd=self.directory,
        )
        wait_until(self._answers, what=f"{self.binary.name} on port {self.port}")

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()

    def stop(self) -> None:
        """End it in good order."""
        self.process.stop()

    def restart(self) -> None:
        """Kill it if it runs, and start it again on the same port. Only ``persist`` finds the data again."""
        self.process.kill()
        self.start()

    def pause(self) -> None:
        """Freeze it: connections stay, nothing answers."""
        self.process.send(signal.SIGSTOP)

    def resume(self) -> None:
        """Undo ``pause``."""
        self.process.send(signal.SIGCONT)

    @property
    def process(self) -> Process:
        """The process that runs now or ran last."""
        assert self._process is not None
        return self._process

    # Ways to get at it

    @property
    def url(self) -> str:
        """A ``redis://`` URL with the password in it."""
        return f"redis://{self._credentials}{self.host}:{self.port}/0"

    @property
    def tls_url(self) -> str:
        """A ``rediss://`` URL that names the certificate authority."""
        assert self.certificates is not None
        return f"rediss://{self._credentials}{self.host}:{self.tls_port}/0?ssl_ca_certs={self.certificates.authority}"

    @property
    def unix_url(self) -> str:
        """A ``unix://`` URL."""
        return f"unix://{self._credentials}{self.socket_path}?db=0"

    def client(self, **options: Any) -> redis.Redis:
        """Return a client that decodes nothing unless told to. Close it, or use it as a context manager."""
        return redis.Redis.from_url(self.url, **options)

    def flush(self) -> None:
        """Empty it, where FLUSHALL is not renamed."""
        with self.client() as client:
            client.flushall()

    @property
    def _credentials(self) -> str:
        return "" if self.password is None else f":{quote(self.password, safe='')}@"

    def _answers(self) -> bool:
        if not self.process.running and "Address already in use" in self.process.output():
            raise AddressTaken
        self.process.check_running()
        try:
            with socket.create_connection((self.host, self.port), timeout=5) as connection:
                connection.sendall(b"PING\r\n")
                answer = connection.recv(64)
        except OSError:
            return False
        if answer.startswith(b"-NOAUTH") and self.password is not None:
            return self._is_loaded()
        return answer.startswith((b"+PONG", b"-NOAUTH", b"-NOPERM", b"-ERR"))

    def _is_loaded(self) -> bool:
        """Ask as one who may know: to others it says NOAUTH also while it loads its data."""
        with self.client() as client:
            try:
                return bool(client.ping())
            except redis.BusyLoadingError:
                return False


class AddressTaken(Exception):
    """Another process was faster in taking the port."""
