"""Random frames, the same for the same seed: tame ones, which a socket survives, and wild ones, which it need not."""

from __future__ import annotations

import json
import random
from typing import Any

HANDLERS = ("increment", "put", "typed", "anything")
FIELDS = ("query", "agreed", "tags")
NAMES = ("by", "value", "a", "b", "c", "d", "e", "self", "", "x", "__class__", "é", "request")
WORDS = (
    "",
    "0",
    "1",
    "-1",
    "3.5",
    "true",
    "nan",
    "inf",
    "1e999",
    "😀",
    "\0",
    "<b>",
    "a,b",
    "None",
    "9" * 30,
    " dj-root ",
)
URIS = ("/plain/", "/items/3/", "/items/x/", "/nowhere/?a=b", "/%00", "/a#b", "/..//", "/%E0%A4%A", "/é")
PIECES = (
    "[",
    "]",
    "{",
    "}",
    '"',
    "\\",
    ",",
    ":",
    "\\ud800",
    "\\u0000",
    "NaN",
    "1e999",
    "-",
    "null",
    "\0",
    "é",
    "{}",
    '"t":',
    '"n":0',
)


class RandomFrames:
    """Frames of one socket. ``number`` is the last one that it has used."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.number = 0

    def next_number(self) -> int:
        """Return a number that no event had."""
        self.number += 1
        return self.number

    def value(self, depth: int = 3) -> Any:
        """Return anything that JSON can say."""
        dice = self._random.random()
        if depth and dice < 0.15:
            return [self.value(depth - 1) for _ in range(self._random.randrange(4))]
        if depth and dice < 0.3:
            return {self._random.choice(NAMES): self.value(depth - 1) for _ in range(self._random.randrange(4))}
        if dice < 0.6:
            return self._random.choice(WORDS)
        return self._random.choice([None, True, False, 0, -1, 1.5, 2**60, -(2**70), self._random.random(), 10**400])

    def tame(self) -> str:
        """Return a frame of the protocol, with values that nobody asked for."""
        dice = self._random.random()
        if dice < 0.55:
            return '{"t":"ping"}'
        if dice < 0.7 and self.number:
            return json.dumps({"t": "event", "n": self._random.randint(1, self.number), "name": "increment"})
        if dice < 0.82:
            return json.dumps({"t": "url", "n": self.next_number(), "uri": self._random.choice(URIS)})
        if dice < 0.87:
            frame = {
                "t": "model",
                "n": self.next_number(),
                "field": self._random.choice(FIELDS),
                "value": self.value(),
            }
            return json.dumps(frame)
        params = {self._random.choice(NAMES): self.value() for _ in range(self._random.randrange(4))}
        name = self._random.choice(HANDLERS if dice > 0.97 else ("typed",))
        return json.dumps({"t": "event", "n": self.next_number(), "name": name, "params": params})

    def wild(self) -> str | bytes:
        """Return what no client would send, or a frame with something changed."""
        dice = self._random.random()
        if dice < 0.1:
            return self._random.randbytes(self._random.randrange(200))
        if dice < 0.2:
            return "".join(self._random.choice(PIECES) for _ in range(self._random.randrange(60)))
        if dice < 0.23:
            return self._random.choice(("[", '{"a":', '[{"t":')) * self._random.randrange(1, 20_000)
        if dice < 0.25:
            return self.tame() + " " * 130_000
        if dice < 0.3:
            return json.dumps(self._forbidden())
        if dice < 0.4:
            return json.dumps(self._any_frame())
        text = self.tame() if dice < 0.7 else json.dumps(self._any_frame())
        for _ in range(self._random.randrange(1, 4)):
            text = self._mutated(text)
        return text

    def _forbidden(self) -> dict[str, Any]:
        """Return a well-formed frame that asks for what nobody may have."""
        name = self._random.choice(("mount", "_live", "request", "djust", "", "\0", *NAMES))
        return self._random.choice(
            [
                {"t": "event", "n": self.next_number(), "name": name},
                {"t": "model", "n": self.next_number(), "field": name, "value": self.value()},
                {"t": "join", "token": f"{name}:{name}", "client": name, "uri": name},
            ]
        )

    def _any_frame(self) -> dict[str, Any]:
        kinds = ("join", "event", "model", "url", "ping", "leave", "update", "", None, 1)
        fields = ("n", "name", "params", "args", "field", "value", "uri", "token", "client", "state", "")
        frame: dict[str, Any] = {"t": self._random.choice(kinds)}
        for name in self._random.sample(fields, self._random.randrange(6)):
            frame[name] = self.value()
        if self._random.random() < 0.5:
            frame["n"] = self._random.choice([self.number + 1, 0, -1, True, 1.5, 2**53, None])
        return frame

    def _mutated(self, text: str) -> str:
        at = self._random.randrange(len(text) + 1)
        width = self._random.randrange(5)
        dice = self._random.random()
        if dice < 0.3:
            return text[:at] + text[at + width :]
        if dice < 0.6:
            return text[:at] + self._random.choice(PIECES) + text[at + width :]
        if dice < 0.8:
            return text[:at] + text[at : at + width] * 2 + text[at + width :]
        return text[:at]
