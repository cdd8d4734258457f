"""What the command line says when a command stops with an exception: a sentence, never a traceback."""

from __future__ import annotations

import errno
import os
import platform
import shlex
import sys
import tempfile
import traceback
from datetime import UTC, datetime

from personsearch.durable import FULL_DISK
from personsearch.errors import PersonSearchError
from personsearch.version import __version__

#: Exit status: what was asked is not done, or not all of it.
UNFINISHED = 1
#: Exit status: a mistake in what was asked, or in what lies at a path.
MISTAKE = 2
#: Exit status: a fault of this program (EX_SOFTWARE of sysexits.h).
FAULT = 70

_REMEDIES = {
    errno.ENOENT: "no such file or folder; check the path",
    errno.EACCES: "permission denied; give a path that you may use, or change its permissions",
    errno.EPERM: "permission denied; give a path that you may use, or change its permissions",
    errno.EROFS: "lies on a read-only disk; give a path that can be written to",
    errno.EISDIR: "is a folder; give a file",
    errno.ENOTDIR: "a part of this path is a file, not a folder; check the path",
    errno.EEXIST: "is there already; give another path, or remove it",
    errno.ENOSPC: "no space is left on this disk; free some, or give a path on another",
    errno.EDQUOT: "your share of this disk is used up; free some, or give a path on another",
    errno.ENAMETOOLONG: "the name is too long; give a shorter one",
}
_NO_MEMORY = ("can't allocate memory", "not enough memory", "out of memory")


def explain(error: Exception) -> tuple[str, int]:
    """Return a message for an exception that ended a command, and the exit status.

    What nobody foresaw is written into a log file, which the message names.
    """
    if isinstance(error, PersonSearchError):
        return str(error), MISTAKE
    if _is_about_memory(error):
        return (
            "there is not enough memory for this; use smaller images or fewer at a time, close other programs, or, if "
            "the GPU's memory is full, use --device cpu",
            UNFINISHED,
        )
    if isinstance(error, OSError):
        sentence = _about_path(error)
        if sentence is not None:
            return sentence, MISTAKE
    return (
        f"unexpected {type(error).__name__}: {_first_line(error)}. This is a fault of personsearch: please report it, "
        f"with {_log(error)}",
        FAULT,
    )


def _about_path(error: OSError) -> str | None:
    """Say what is wrong with the path that the system refused; None where no path is known to be at fault."""
    remedy = _REMEDIES.get(error.errno or 0)
    if not isinstance(error.filename, (str, bytes)) or not error.filename:
        full = error.errno in FULL_DISK
        return f"a file could not be written: {remedy}" if full else None
    return f"{os.fsdecode(error.filename)}: {remedy or f'cannot be used ({error.strerror}); check the path'}"


def _is_about_memory(error: Exception) -> bool:
    torch = sys.modules.get("torch")
    if isinstance(error, MemoryError) or (torch is not None and isinstance(error, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _NO_MEMORY)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else "no message"


def _log(error: Exception) -> str:
    """Write the traceback into a file, and say where it is; where none can be written, return the traceback."""
    report = "\n".join(
        [
            f"personsearch {__version__}, Python {platform.python_version()}, {platform.platform()}",
            datetime.now(UTC).isoformat(timespec="seconds"),
            shlex.join(sys.argv),
            "",
            "".join(traceback.format_exception(error)),
        ]
    )
    try:
        handle, path = tempfile.mkstemp(prefix="personsearch-", suffix=".log")
        with open(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(report)
    except OSError:
        return f"this (no log file could be written):\n{report}"
    return f"the log {path}"
