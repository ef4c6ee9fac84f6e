"""The client script as a file: how large it is, that it can be made from the sources, and that packages hold it."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUNDLE = Path("djust/static/djust/live.js")
MOST_BYTES = 10_000


def run(*command: str, cwd: Path, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=cwd, env=env)


def without_npm(directory: Path) -> dict[str, str]:
    """Variables for a child that finds no program but those of Python's environment."""
    (directory / "bin").mkdir()
    (directory / "bin" / "python").symlink_to(sys.executable)
    return {**os.environ, "PATH": str(directory / "bin")}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What a fresh clone has of what a build needs."""
    copy = tmp_path / "checkout"
    copy.mkdir()
    skipped = shutil.ignore_patterns("node_modules", "__pycache__")
    for name in ("client", "djust"):
        shutil.copytree(ROOT / name, copy / name, ignore=skipped)
    (copy / BUNDLE).unlink(missing_ok=True)
    for name in ("hatch_build.py", "pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", ".gitignore"):
        shutil.copy(ROOT / name, copy / name)
    return copy


def test_it_is_small() -> None:
    assert len(gzip.compress((ROOT / BUNDLE).read_bytes(), compresslevel=9)) < MOST_BYTES


def test_it_names_no_other_place_and_writes_no_console() -> None:
    text = (ROOT / BUNDLE).read_text()
    assert "console." not in text
    assert "http://" not in text.replace("http://www.w3.org/1999/xhtml", "")
    assert "https://" not in text


def test_the_lock_file_names_no_registry() -> None:
    assert "resolved" not in (ROOT / "client/package-lock.json").read_text()


def test_its_pure_functions() -> None:
    tests = sorted(str(path) for path in (ROOT / "client/test").glob("*.test.js"))
    done = run("node", "--test", *tests, cwd=ROOT / "client")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_fresh_clone_builds_it_and_packages_hold_it(checkout: Path, tmp_path: Path) -> None:
    built = run(sys.executable, "hatch_build.py", cwd=checkout)
    assert built.returncode == 0, built.stderr
    assert (checkout / BUNDLE).read_bytes() == (ROOT / BUNDLE).read_bytes()
    assert run(sys.executable, "-m", "hatchling", "build", "-d", str(tmp_path / "dist"), cwd=checkout).returncode == 0
    [wheel] = (tmp_path / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert str(BUNDLE) in archive.namelist()
        assert not [name for name in archive.namelist() if "node_modules" in name or name.startswith("client")]
    [source] = (tmp_path / "dist").glob("*.tar.gz")
    with tarfile.open(source) as archive:
        names = {name.split("/", 1)[-1] for name in archive.getnames()}
        assert {str(BUNDLE), "hatch_build.py", "client/build.js", "client/package-lock.json"} <= names
        assert not [name for name in names if "node_modules" in name]
        archive.extractall(tmp_path / "unpacked", filter="data")
    # Who installs from the source distribution needs no npm.
    [unpacked] = (tmp_path / "unpacked").iterdir()
    again = run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", cwd=unpacked, env=without_npm(tmp_path))
    assert again.returncode == 0, again.stderr
    assert "no npm" not in again.stderr


def test_without_npm_it_says_what_to_do(checkout: Path, tmp_path: Path) -> None:
    env = without_npm(tmp_path)
    failed = run(sys.executable, "hatch_build.py", cwd=checkout, env=env)
    assert failed.returncode != 0
    assert "apt-get install nodejs npm" in failed.stderr
    (checkout / BUNDLE).write_text("/*djust older*/")
    warned = run(sys.executable, "hatch_build.py", cwd=checkout, env=env)
    assert warned.returncode == 0
    assert "sources have changed" in warned.stderr
