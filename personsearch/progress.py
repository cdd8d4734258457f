"""A progress bar on a terminal, a line now and then in a log, silence where nobody asked."""

from __future__ import annotations

import logging
import time
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as RichProgress

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_LINES = 30.0


class Progress:
    """Shows how far a long job is: a bar with ETA on a terminal, else a log line every half minute.

    Args:
        total: units of work, if known.
        done: units done before.
        label: what is counted.
        shown: None = a bar on a terminal and log lines elsewhere; True = a bar; False = nothing.
    """

    def __init__(self, total: int | None, *, done: int = 0, label: str = "", shown: bool | None = None) -> None:
        console = Console(stderr=True)
        self._bar = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            disable=not (console.is_terminal if shown is None else shown),
        )
        self._logs = shown is None and not console.is_terminal
        self._total, self._done, self._label = total, done, label
        self._task: TaskID = self._bar.add_task(label, total=total, completed=done)
        self._start = self._last_line = time.monotonic()
        self._start_done = done

    def __enter__(self) -> Progress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def show(self, text: str) -> None:
        """Change the text beside the bar."""
        self._label = text
        self._bar.update(self._task, description=text)

    def advance(self, by: int = 1) -> None:
        """Count work as done."""
        self._done += by
        self._bar.advance(self._task, by)
        now = time.monotonic()
        if self._logs and now - self._last_line >= SECONDS_BETWEEN_LINES:
            self._last_line = now
            left = ""
            if self._total is not None:
                seconds = (now - self._start) / max(1, self._done - self._start_done) * (self._total - self._done)
                left = f"/{self._total}, {seconds / 60:.1f} min left"
            logger.info("%s  %d%s", self._label, self._done, left)
