"""The published ``djust`` in an environment of its own, which is made when it is first needed."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from tests.servers.binaries import ROOT

RELEASE = "1.2.6"
#: What serves a site is the same on both sides.
_ALIKE = ("Django", "channels", "hiredis", "httptools", "redis", "uvicorn", "uvloop", "websockets")


def peer_python() -> Path:
    """Return the interpreter of an environment with the published package, and install that if it is missing.

    Raises:
        RuntimeError: It cannot be installed.
    """
    directory = ROOT / ".servers" / f"djust-{RELEASE}"
    python = directory / "bin" / "python"
    wanted = [f"djust=={RELEASE}", *(f"{name}=={version(name)}" for name in _ALIKE)]
    ready = directory / "installed"
    if not ready.exists() or ready.read_text().split() != wanted:
        print(f"Installing djust {RELEASE} into an environment of its own ...", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(directory)], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        installed = subprocess.run([*pip, *wanted], capture_output=True, text=True, check=False)
        if installed.returncode:
            raise RuntimeError(f"djust {RELEASE} cannot be installed.\n{installed.stdout}\n{installed.stderr}")
        ready.write_text("\n".join(wanted))
    return python
