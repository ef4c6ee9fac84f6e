"""``manage.py djust_doctor``."""

from __future__ import annotations

import json
import shutil
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from djust.doctor.examination import examine
from djust.doctor.findings import Status
from djust.doctor.report import as_dict, as_lines

PROBLEMS = 1
WIDEST = 100


class Command(BaseCommand):
    """Asks Redis, broker, workers, beat and database what no look at the settings can tell."""

    help = (
        "Ask Redis, the Celery broker, workers, beat and the database how they are, and say what to do. "
        "Changes nothing but a session of its own, which it ends. "
        "Exit status: 0 no problem, 1 problems found, 2 bad arguments."
    )
    # They are part of what is found, and must not keep the rest from being looked at.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """See ``BaseCommand``."""
        parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
        parser.add_argument(
            "--deploy", action="store_true", help="judge as for production; so it does anyway unless DEBUG is on"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """See ``BaseCommand``."""
        findings = examine(production=options["deploy"] or not settings.DEBUG)
        if options["json"]:
            self.stdout.write(json.dumps(as_dict(findings)))
        else:
            paint = {
                Status.OK: self.style.SUCCESS,
                Status.WARNING: self.style.WARNING,
                Status.PROBLEM: self.style.ERROR,
            }
            width = min(shutil.get_terminal_size().columns, WIDEST)
            self.stdout.write("\n".join(as_lines(findings, width=width, paint=paint)))
        if any(finding.status is Status.PROBLEM for finding in findings):
            raise SystemExit(PROBLEMS)
