"""Book-keeping while a set is read: every row ends up kept, dropped by a rule, or named as a problem."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from personsearch.datasets.dataset import Accounting, Problem
from personsearch.datasets.scene import Scene
from personsearch.errors import DatasetError

#: So many problems are told in an error's message; the rest is counted.
TOLD = 5


class ProblemError(DatasetError):
    """One problem; loaders that can go on without the file or row note it in their ledger instead."""

    def __init__(self, file: str | Path, what: str, row: str = "") -> None:
        self.problem = Problem(file=str(file), row=row, what=what)
        super().__init__(str(self.problem))


class Ledger:
    """Counts rows as they are read and collects problems, so that one error can tell of all."""

    def __init__(self) -> None:
        self.rows = 0
        self.changed: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()
        self.problems: list[Problem] = []

    def read(self, count: int) -> None:
        """Count rows that describe people."""
        self.rows += count

    def change(self, what: str, count: int = 1) -> None:
        """Note that something about boxes that are kept was changed."""
        if count:
            self.changed[what] += count

    def drop(self, why: str, count: int = 1) -> None:
        """Note rows, counted already, that a rule of the format leaves out."""
        if count:
            self.dropped[why] += count

    def bad_row(self, file: str | Path, row: str, what: str) -> None:
        """Note a malformed row that was counted already."""
        self.problems.append(Problem(file=str(file), row=row, what=what))

    def bad_file(self, file: str | Path, what: str, row: str = "") -> None:
        """Note a problem with a file, or with a row that describes no box of a scene; it counts as a row of its own."""
        self.note(Problem(file=str(file), row=row, what=what))

    def note(self, problem: Problem) -> None:
        """As :meth:`bad_file`."""
        self.rows += 1
        self.problems.append(problem)

    def close(self, scenes: Sequence[Scene], *, skip_bad: bool) -> Accounting:
        """Return the account of a set.

        Raises:
            DatasetError: there were problems and they are not to be passed over; names the first few.
        """
        if self.problems and not skip_bad:
            raise DatasetError(_told(self.problems))
        return Accounting(
            rows=self.rows,
            kept=sum(len(scene.boxes) for scene in scenes),
            changed=dict(self.changed),
            dropped=dict(self.dropped),
            skipped=tuple(self.problems),
        )


def _told(problems: Sequence[Problem]) -> str:
    if len(problems) == 1:
        return f"{problems[0]}. Correct it, or pass over it with skip_bad (--skip-bad)"
    lines = [f"{len(problems)} rows or files cannot be used:"]
    lines += [f"  {problem}" for problem in problems[:TOLD]]
    if len(problems) > TOLD:
        lines.append(f"  ... and {len(problems) - TOLD} more")
    lines.append("Correct them, or pass over them with skip_bad (--skip-bad)")
    return "\n".join(lines)
