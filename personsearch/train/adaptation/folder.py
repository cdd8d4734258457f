"""The folders of an adaptation: where it works, whose work that is, and the finished weights, whole or absent."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from personsearch.durable import write_durably
from personsearch.errors import TrainingError
from personsearch.process import locked

#: Stands beside the folder of the weights until they are finished.
SUFFIX = ".adapting"
SETTINGS, PLAN = "settings.json", "plan.json"
REPORT, CARD, SHEET = "report.json", "README.md", "before-after.jpg"
_LOCK = ".lock"


def work_of(out: Path) -> Path:
    """Return the folder in which weights for ``out`` are made."""
    return out.with_name(out.name + SUFFIX)


def is_finished(out: Path, settings: Mapping[str, Any]) -> bool:
    """Whether ``out`` holds what these settings make.

    Raises:
        TrainingError: it holds anything else.
    """
    if not out.exists():
        return False
    if not out.is_dir():
        raise TrainingError(f"{out}: is a file; name a folder for the weights")
    if not any(out.iterdir()):
        return False
    try:
        theirs = json.loads((out / REPORT).read_text(encoding="utf-8"))["settings"]
    except (OSError, ValueError, KeyError, TypeError):
        raise TrainingError(f"{out}: holds other files; choose a new or an empty folder for the weights") from None
    changed = _differences(theirs, settings)
    if changed:
        raise TrainingError(
            f"{out}: holds weights that were adapted with other settings ({changed}); choose another folder, or delete "
            "this one"
        )
    return True


@contextmanager
def sole_owner_of(work: Path, settings: Mapping[str, Any]) -> Iterator[None]:
    """Make and lock the working folder, or refuse one of other settings.

    Until there is a plan, nothing in it took long: it then goes with whatever ends the work, so that a mistake leaves
    nothing behind and can be corrected.

    Raises:
        TrainingError: another process works there, or it was begun with other settings.
    """
    work.parent.mkdir(parents=True, exist_ok=True)
    if work.exists() and not (work / SETTINGS).exists() and any(path.name != _LOCK for path in work.iterdir()):
        raise TrainingError(f"{work}: adapting works in this folder, but it holds other files; move them away")
    work.mkdir(exist_ok=True)
    busy = TrainingError(f"{work}: another process is adapting here; wait, or choose another folder")
    with locked(work / _LOCK, busy):
        try:
            _claim(work, settings)
            yield
        finally:
            if not (work / PLAN).exists():
                shutil.rmtree(work, ignore_errors=True)


def _claim(work: Path, settings: Mapping[str, Any]) -> None:
    """Record whose work the folder is, or refuse to continue another's."""
    path = work / SETTINGS
    if not path.exists() or not (work / PLAN).exists():
        _clear(work)
        write_durably(path, json.dumps(settings, indent=1).encode())
        return
    changed = _differences(json.loads(path.read_text(encoding="utf-8")), settings)
    if changed:
        raise TrainingError(
            f"{work}: was begun with other settings ({changed}); give the same ones to continue, or delete this folder "
            "to begin again"
        )


def _clear(work: Path) -> None:
    """Remove what a killed process left, apart from the lock."""
    for path in work.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != _LOCK:
            path.unlink()


def publish(result: Path, out: Path) -> None:
    """Give a finished folder its name, in one step, and remove the working folder around it."""
    os.replace(result, out)
    remove_work(out)


def remove_work(out: Path) -> None:
    """Remove the working folder, whose weights are finished."""
    shutil.rmtree(work_of(out), ignore_errors=True)


def _differences(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> str:
    keys = [key for key in sorted({*theirs, *ours}) if theirs.get(key) != ours.get(key)]
    return ", ".join(f"{key}: {theirs.get(key)!r} there, {ours.get(key)!r} now" for key in keys)
