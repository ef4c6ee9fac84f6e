"""Every test that touches the database passes on PostgreSQL too, not only on SQLite."""

from __future__ import annotations

import sys

from tests.servers.process import ROOT, Process, child_environment
from tests.servers.waiting import wait_until


def test_the_database_tests_pass_on_postgresql(postgres, tmp_path):
    run = Process(
        "pytest",
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--create-db", "-m", "database"),
            # What these measure takes long and is not in the database.
            *("--ignore", "tests/integration/test_command_many.py"),
            "tests",
        ],
        log=tmp_path / "log",
        env=child_environment({"TEST_DATABASE_URL": postgres.create_database("django")}),
        cwd=ROOT,
    )
    wait_until(lambda: not run.running, timeout=600, what="the tests to end", pause=0.5)
    assert run.returncode == 0, run.tail(200)
    assert " passed" in run.output()
