"""Every test that touches the database passes on PostgreSQL too, not only on SQLite."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.servers.process import child_environment

ROOT = Path(__file__).resolve().parents[2]


def test_the_database_tests_pass_on_postgresql(postgres):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-m", "database", "--create-db", "-p", "no:cacheprovider", "tests"],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=child_environment({"TEST_DATABASE_URL": postgres.create_database("django")}),
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
