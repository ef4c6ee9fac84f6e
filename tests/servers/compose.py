"""What a compose file says, as processes of this machine: each service's command, with its variables and files.

Containers are not made. In their place stand ports of the loopback interface, temporary directories for volumes, and
the programs of this machine: addresses and paths of the file are replaced by these, and all else is taken as written.
"""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.servers.ports import HOST, free_port
from tests.servers.process import Process, child_environment
from tests.servers.reaper import get_reaper

_VARIABLE = re.compile(r"\$(?:(\$)|\{(\w+)(?:(:[-?])([^}]*))?\})")


def read_env_file(path: Path) -> dict[str, str]:
    """Return the variables of an ``.env`` file."""
    lines = (line.strip() for line in path.read_text().splitlines())
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name: value for name, _, value in pairs}


def interpolate(text: str, variables: Mapping[str, str]) -> str:
    """Replace ``${NAME}``, ``${NAME:-default}``, ``${NAME:?}`` and ``$$`` as Compose does.

    Raises:
        KeyError: A variable is missing that has no default.
    """

    def value(found: re.Match[str]) -> str:
        escaped, name, operator, default = found.groups()
        if escaped:
            return "$"
        if variables.get(name):
            return variables[name]
        if operator != ":-":
            raise KeyError(name)
        return str(default)

    return _VARIABLE.sub(value, text)


def _interpolated(value: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return interpolate(value, variables)
    if isinstance(value, list):
        return [_interpolated(item, variables) for item in value]
    if isinstance(value, dict):
        return {name: _interpolated(item, variables) for name, item in value.items()}
    return value


class ComposeFile:
    """A compose file with the variables of an ``.env`` file, and a place on this machine for all that it names.

    Args:
        path: The file.
        variables: What ``.env`` says.
        directory: Where the command of a service that is built here begins: the image's ``WORKDIR``.
    """

    def __init__(self, path: Path, variables: Mapping[str, str], *, directory: Path) -> None:
        self.path = path
        self.variables = dict(variables)
        self.services: dict[str, Any] = _interpolated(yaml.safe_load(path.read_text()), variables)["services"]
        self._directory = directory
        self._logs = get_reaper().new_directory("compose")
        self._files = get_reaper().new_directory("compose-files")
        self._copies: dict[Path, Path] = {}
        self._volumes: dict[str, Path] = {}
        #: The port of each service that others connect to.
        self.ports = {name: free_port() for name, service in self.services.items() if self._address(service)}

    # What a service gets

    def volume(self, name: str) -> Path:
        """Return the directory that stands for a named volume."""
        return self._volumes.setdefault(name, get_reaper().new_directory(f"volume-{name}"))

    def environment(self, service: str, changes: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the variables of a service's processes, those of ``env_file`` included."""
        definition = self.services[service]
        variables = dict(self.variables) if "env_file" in definition else {}
        variables |= {name: str(value) for name, value in definition.get("environment", {}).items()}
        translated = {name: self._translated(service, value) for name, value in variables.items()}
        programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"], "/usr/sbin"])
        return child_environment(
            {
                "PATH": programs,
                "HOSTNAME": socket.gethostname(),
                **self._of_the_image(),
                **translated,
                **(changes or {}),
            }
        )

    def command(self, service: str) -> list[str]:
        """Return the words of a service's command."""
        return [self._translated(service, word) for word in shlex.split(self.services[service]["command"])]

    # Run

    def start(self, service: str, *arguments: str, env: Mapping[str, str] | None = None) -> Process:
        """Start a service's command, with more arguments, and return the process."""
        return Process(
            service,
            [*self.command(service), *arguments],
            log=self._logs / service,
            env=self.environment(service, env),
            cwd=self._directory,
        )

    def run(self, service: str) -> str:
        """Run a service's command to its end, and return what it wrote; it has to succeed."""
        done = self._completed(service, self.command(service))
        assert done.returncode == 0, done.stdout
        return done.stdout

    def check_health(self, service: str) -> subprocess.CompletedProcess[str]:
        """Run the health check of a service once, and return its status and what it wrote."""
        kind, *words = self.services[service]["healthcheck"]["test"]
        words = [self._translated(service, word) for word in words]
        command = ["sh", "-c", *words] if kind == "CMD-SHELL" else words
        return self._completed(service, command)

    def _completed(self, service: str, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self._directory,
            env=self.environment(service),
        )

    # Names of the file and what stands for them here

    def _translated(self, service: str, text: str) -> str:
        """Replace paths in the container and addresses in its network."""
        for source, target in self._mounts(service):
            text = text.replace(target, str(source))
        for name, port in self.ports.items():
            text = re.sub(rf"\b{name}:6379\b", f"{HOST}:{port}", text)
            if text == self._address(self.services[name]):
                text = HOST
        if service in self.ports:
            # Health checks ask their own container.
            text = re.sub(r"127\.0\.0\.1:8000\b|localhost(?=/)", f"{HOST}:{self.ports[service]}", text)
            text = re.sub(r"^redis-cli\b", f"redis-cli -p {self.ports[service]}", text)
        return text

    def _mounts(self, service: str) -> list[tuple[Path, str]]:
        found = []
        for mount in self.services[service].get("volumes", []):
            source, target = mount.split(":")[:2]
            is_path = source.startswith((".", "/"))
            found.append((self.path.parent / source if is_path else self.volume(source), target))
        directories = [mount for mount in found if not mount[0].is_file()]
        return [*directories, *((self._copied(file, directories), target) for file, target in found if file.is_file())]

    def _copied(self, file: Path, directories: list[tuple[Path, str]]) -> Path:
        """Return a copy of a mounted file that names the directories of this machine."""
        if file not in self._copies:
            text = file.read_text()
            for source, target in directories:
                text = re.sub(rf"{re.escape(target)}\b", str(source), text)
            # Once: a process may be about to read it.
            copy = self._copies[file] = self._files / file.name
            copy.write_text(text)
        return self._copies[file]

    @staticmethod
    def _address(service: Mapping[str, Any]) -> str:
        address: str = service.get("networks", {}).get("default", {}).get("ipv4_address", "")
        return address

    @staticmethod
    def _of_the_image() -> dict[str, str]:
        return {"DJANGO_SETTINGS_MODULE": "config.settings"}
