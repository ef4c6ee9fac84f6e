"""The documentation, followed literally: a new project, and each snippet in its file."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.servers.process import child_environment

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/live-views.md").read_text()
README = (ROOT / "README.md").read_text()
SNIPPET = re.compile(
    r"^```(python|html)\n(?:# |\{# )([\w/.]+\.(?:py|html))[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
#: What a snippet adds to, rather than being all of it: what startproject wrote.
_ADDED_TO = ("myproject/settings.py", "myproject/urls.py")


def snippets(page: str) -> dict[str, str]:
    """Return what a page puts into each file: its snippets one after the other."""
    files: dict[str, str] = {}
    for _, name, text in SNIPPET.findall(page):
        # Three dots stand for what is there.
        files[name] = files.get(name, "") + re.sub(r"^(\w+) = \[\.\.\., ", r"\1 = [*\1, ", text, flags=re.MULTILINE)
    return files


def commands(page: str) -> list[str]:
    """Return the lines that a reader types into a shell."""
    blocks = re.findall(r"^```bash\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def run(*arguments: str, cwd: Path, env: dict[str, str] | None = None) -> str:
    """Run a command of Django and return what it printed."""
    done = subprocess.run(
        [sys.executable, *arguments], check=False, capture_output=True, text=True, cwd=cwd, env=child_environment(env)
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def follow(page: str, root: Path, env: dict[str, str] | None = None) -> Path:
    """Start a project, do what a page says, and return where it lies."""
    run("-m", "django", "startproject", "myproject", cwd=root)
    folder = root / "myproject"
    for name, text in snippets(page).items():
        file = folder / name
        file.parent.mkdir(exist_ok=True)
        before = file.read_text() if name in _ADDED_TO else ""
        file.write_text(before + text)
    run("manage.py", "migrate", cwd=folder, env=env)
    return folder
