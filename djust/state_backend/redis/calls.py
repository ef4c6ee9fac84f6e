"""What is sent to Redis, built in one place for the synchronous and the asynchronous client. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any, TypeVar

from djust.state_backend.redis.scripts import DELETE, LEASE, TOUCH, WRITE, Script

Argument = bytes | str | int
T = TypeVar("T")


@dataclass(slots=True, eq=False)
class Call:
    """One command, or one call of a script."""

    args: tuple[Argument, ...]
    #: With a script, ``args`` is an EVALSHA.
    script: Script | None = None
    #: Sending it twice does the same as once, so it may be sent again when a connection broke.
    repeatable: bool = False
    #: Which primary is meant, where no key says so.
    node: str | None = None

    @property
    def place(self) -> bytes:
        """What may be away while the rest of a cluster answers: the shard of the keys, or the node."""
        if self.node is not None:
            return self.node.encode()
        key = self.args[3:4] if self.script else self.args[1:2]
        return key[0].partition(b"}")[0] if key and isinstance(key[0], bytes) else b""

    def wrote(self, reply: Any) -> bool:
        """Whether the reply shows that the server took a write; a refusal by the script shows nothing."""
        return self.script in (WRITE, TOUCH, DELETE, LEASE) and reply not in (0, b"C", b"G", b"U")

    def with_source(self) -> tuple[Argument, ...]:
        """Return the call for a server that does not know the script yet."""
        if self.script is None:
            return self.args
        return ("EVAL", self.script.source, *self.args[2:])


def run(script: Script, keys: Iterable[bytes], *args: Argument, repeatable: bool = False) -> Call:
    """Return the call of a script."""
    names = tuple(keys)
    return Call(("EVALSHA", script.sha, len(names), *names, *args), script, repeatable)


def command(*args: Argument, repeatable: bool = True, node: str | None = None) -> Call:
    """Return a plain command."""
    return Call(args, None, repeatable, node)


def _pack_one(args: tuple[Argument, ...]) -> bytes:
    parts = [b"*%d\r\n" % len(args)]
    for arg in args:
        value = arg if isinstance(arg, bytes) else str(arg).encode()
        parts.append(b"$%d\r\n%b\r\n" % (len(value), value))
    return b"".join(parts)


_pack: Callable[[tuple[Any, ...]], bytes] = _pack_one
with suppress(ImportError):  # It is an extra: djust[hiredis].
    _pack = import_module("hiredis").pack_command


def pack(commands: Iterable[tuple[Argument, ...]]) -> bytes:
    """Return commands as they go over the wire."""
    return b"".join([_pack(args) for args in commands])


@dataclass(frozen=True, slots=True)
class Primaries:
    """Asks the client for the names of the primaries; the answer is a list of names for ``Call.node``."""


@dataclass(frozen=True, slots=True)
class Homes:
    """Asks the client which primary holds each of some keys; the answer is a list of names, as of ``Primaries``."""

    keys: tuple[bytes, ...]


Request = list[Call] | Primaries | Homes

#: Work that needs several round trips: it yields calls and is sent their replies, by either client.
Operation = Generator[Request, list[Any], T]
