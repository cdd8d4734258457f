"""Cores that a process may use, and locks between processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from personsearch.process import available_cores, locked

HOLD = """
import sys
from pathlib import Path
from personsearch.process import locked
with locked(Path(sys.argv[1]), ValueError()):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system binds no process to cores")
def test_cores_are_those_that_the_process_may_use() -> None:
    allowed = os.sched_getaffinity(0)
    assert available_cores() == len(allowed)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        assert available_cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)


def test_a_lock_of_another_process_raises_what_was_given_and_ends_with_it(tmp_path: Path) -> None:
    path, busy = tmp_path / ".lock", RuntimeError("somebody else works here")
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(RuntimeError, match="somebody else works here"), locked(path, busy):
            pytest.fail("two processes hold one lock")
        other.kill()
    with locked(path, busy):
        pass
    with locked(path, busy):  # it was released
        pass
