"""Builds what browsers run, ``djust/static/djust/live.js``, from ``client/``.

Hatchling calls it before it packs or installs, ``python hatch_build.py`` by hand.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).resolve().parent
CLIENT = ROOT / "client"
BUNDLE = ROOT / "djust" / "static" / "djust" / "live.js"


class BuildFailed(Exception):
    """The bundle could not be made; the message says what to do."""


class ClientBuildHook(BuildHookInterface[Any]):
    """Makes the bundle before a wheel, an editable installation or a source distribution."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Make the bundle unless it is there and made of the present sources."""
        ensure_bundle()


def ensure_bundle() -> None:
    """Make the bundle unless it is there and made of the present sources.

    Without npm an older bundle will do, with a warning.

    Raises:
        BuildFailed: There is no bundle, and none can be made.
    """
    banner = f"/*djust {_digest()}*/"
    if BUNDLE.is_file() and BUNDLE.read_text(encoding="utf-8").startswith(banner):
        return
    npm = shutil.which("npm")
    if npm is None:
        if not BUNDLE.is_file():
            raise BuildFailed(
                f"djust's client script has to be built, and there is no npm. Install Node.js 18 or newer with npm "
                f"(Debian: apt-get install nodejs npm) and try again, or install a wheel of djust. Missing: {BUNDLE}"
            )
        print(f"There is no npm: {BUNDLE} is used as it is, though its sources have changed.", file=sys.stderr)
        return
    _run(npm, "ci", "--ignore-scripts")
    # Whoever serves the file meanwhile gets the old one or the new one, never a part.
    made = BUNDLE.with_suffix(f".{os.getpid()}.js")
    try:
        _run("node", "build.js", str(made), banner)
        made.replace(BUNDLE)
    finally:
        made.unlink(missing_ok=True)


def _digest() -> str:
    """Return what stands for the sources. Times of files say nothing after a checkout or an unpacked archive."""
    digest = hashlib.sha256()
    for path in [*sorted((CLIENT / "src").glob("*.js")), CLIENT / "build.js", CLIENT / "package-lock.json"]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def _run(*command: str) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=CLIENT)
    if done.returncode:
        raise BuildFailed(f"`{' '.join(command)}` failed in {CLIENT}:\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    try:
        ensure_bundle()
    except BuildFailed as failed:
        sys.exit(str(failed))
