"""Every test that touches the database passes on PostgreSQL too, not only on SQLite."""

from __future__ import annotations

import sys

import pytest

from tests.servers.process import ROOT, Process, child_environment
from tests.servers.waiting import wait_until


@pytest.mark.long
def test_the_database_tests_pass_on_postgresql(postgres, tmp_path):
    run = Process(
        "pytest",
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "database"),
            # It is not dropped at the end: the server goes with it.
            "--reuse-db",
            # One kind of store is enough; and what the ignored ones measure takes long and is not in the database.
            *("-k", "not redis6 and not valkey and not redis_cluster"),
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
