"""What stops a command is said in a sentence, whatever it is."""

import errno
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personsearch.cli import detect
from personsearch.cli.faults import explain
from personsearch.errors import ImageError
from tests.support import Run


@pytest.mark.parametrize(
    ("error", "message", "status"),
    [
        (ImageError("a.jpg: no such file"), "a.jpg: no such file", 2),
        (PermissionError(errno.EACCES, "Permission denied", "/x/out.png"), "/x/out.png: permission denied; give a", 2),
        (FileNotFoundError(errno.ENOENT, "No such file", "/x/out.png"), "/x/out.png: no such file or folder; check", 2),
        (IsADirectoryError(errno.EISDIR, "Is a directory", b"/x"), "/x: is a folder; give a file", 2),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "/x/y"), "/x/y: a part of this path is a file", 2),
        (FileExistsError(errno.EEXIST, "File exists", "/x"), "/x: is there already; give another path", 2),
        (OSError(errno.EROFS, "Read-only file system", "/x"), "/x: lies on a read-only disk", 2),
        (OSError(errno.ENOSPC, "No space left on device", "/x"), "/x: no space is left on this disk; free some", 2),
        (OSError(errno.ENOSPC, "No space left on device"), "a file could not be written: no space is left", 2),
        (OSError(errno.ELOOP, "Too many levels", "/x"), "/x: cannot be used (Too many levels); check the path", 2),
        (MemoryError(), "there is not enough memory for this; use smaller images", 1),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:1] can't allocate memory: you tried 9 bytes"), "there is not", 1),
    ],
)
def test_each_error_is_a_sentence(error: Exception, message: str, status: int) -> None:
    told, code = explain(error)
    assert told.startswith(message)
    assert "\n" not in told
    assert code == status


def test_a_gpu_without_memory_is_no_fault() -> None:
    import torch

    told, code = explain(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"))
    assert "not enough memory" in told
    assert "--device cpu" in told
    assert code == 1


def fail(text: str) -> None:
    raise ValueError(text)


def test_what_nobody_foresaw_is_a_line_and_a_log(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(detect, "searcher_for", lambda *_, **__: fail("shapes [3] and [4]\ndiffer"))
    done = run("detect", __file__)
    assert done.code == 70
    assert done.out == ""
    [line] = done.err.strip().splitlines()
    assert line.startswith("error: unexpected ValueError: shapes [3] and [4]. This is a fault of personsearch: please")
    [log] = tmp_path.glob("personsearch-*.log")
    assert line.endswith(f"with the log {log}")
    written = log.read_text()
    assert "Traceback" in written
    assert "raise ValueError(text)" in written
    assert f"personsearch detect {__file__}" in written


def test_where_no_log_can_be_written_the_traceback_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: str) -> None:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "mkstemp", refuse)
    told, code = explain(ValueError("odd"))
    assert "no log file could be written" in told
    assert "ValueError: odd" in told
    assert code == 70


def test_developers_get_the_traceback(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERSONSEARCH_DEBUG", "1")
    monkeypatch.setattr(detect, "searcher_for", lambda *_, **__: fail("odd"))
    with pytest.raises(ValueError, match="odd"):
        run("detect", __file__)


@settings(max_examples=60, deadline=None)
@given(
    st.one_of(
        st.builds(OSError, st.sampled_from(sorted(errno.errorcode)), st.text(max_size=5), st.text(min_size=1)),
        st.builds(RuntimeError, st.text()),
        st.builds(KeyError, st.text()),
    )
)
def test_any_error_ends_in_a_message_and_no_success(error: Exception) -> None:
    told, code = explain(error)
    assert told
    assert code in (1, 2, 70)
    for log in re.findall(r"the log (\S+\.log)$", told):
        os.remove(log)


def test_a_reader_that_leaves_early_is_no_fault() -> None:
    script = "from personsearch.cli import main; import sys; sys.argv = ['personsearch', 'train', 'recipes']; main()"
    command = [sys.executable, "-c", f"import os; os.dup2(int({{0}}), 1); {script}"]
    reader, writer = os.pipe()
    os.close(reader)
    command[-1] = command[-1].format(writer)
    done = subprocess.run(command, capture_output=True, text=True, check=False, pass_fds=[writer])
    os.close(writer)
    assert done.stderr == ""
    assert done.returncode == 1


def test_a_name_that_the_terminal_cannot_show_is_shown_escaped(tmp_path: Path) -> None:
    name = tmp_path / "straße.jpg"
    done = subprocess.run(
        [sys.executable, "-m", "personsearch", "detect", name],
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert done.returncode == 2
    assert b"stra\\xdfe.jpg: no such file" in done.stderr
