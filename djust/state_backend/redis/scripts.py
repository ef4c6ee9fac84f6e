"""The Lua scripts. Each changes data and index in one atomic step."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha1
from importlib.resources import files


@dataclass(frozen=True, slots=True, eq=False)
class Script:
    """A script as Redis knows it."""

    source: bytes
    sha: bytes


def _load(name: str) -> Script:
    folder = files(__package__) / "lua"
    source = (folder / "common.lua").read_bytes() + b"\n" + (folder / f"{name}.lua").read_bytes()
    # Redis names a script by its SHA-1; nothing here depends on that hash being hard to forge.
    return Script(source, sha1(source, usedforsecurity=False).hexdigest().encode())


WRITE = _load("write")
TOUCH = _load("touch")
DELETE = _load("delete")
MARK = _load("mark")
HEADS = _load("heads")
REAP = _load("reap")
REAP_IDLE = _load("reap_idle")
CLAIM = _load("claim")
LEASE = _load("lease")
RELEASE = _load("release")
STATS = _load("stats")
PAGE = _load("page")
OWNER_PAGE = _load("owner_page")
OWNED = _load("owned")
SIZES = _load("sizes")
MEMORY = _load("memory")
OWNER = _load("owner")
OWNER_WALK = _load("owner_walk")
OWNER_KEYS = _load("owner_keys")
CLEAR = _load("clear")
ABANDONED = _load("abandoned")
COUNT_IDLE = _load("count_idle")
CHECK_INDEX = _load("check_index")
CHECK_DATA = _load("check_data")
RECOUNT = _load("recount")
FREED = _load("freed")
KNOWN = _load("known")
FORGET = _load("forget")
LOOK = _load("look")
INDEX_BYTES = _load("index_bytes")
NAMELESS = _load("nameless")
