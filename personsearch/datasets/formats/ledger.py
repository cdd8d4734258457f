"""Bookkeeping while a set is read: every row ends up kept, dropped by a rule, or listed as a problem."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from personsearch.datasets.dataset import Accounting, Problem
from personsearch.datasets.scene import Scene
from personsearch.errors import DatasetError

#: What a box is called whose numbers all lie within 0 and 1.
FRACTIONS = "looks like fractions of the image (0 to 1)"
#: How many problems an error's message lists; the rest are counted.
SHOWN = 5


class ProblemError(DatasetError):
    """One problem; loaders that can do without the file or row note it in their ledger instead."""

    def __init__(self, file: str | Path, what: str, row: str = "") -> None:
        self.problem = Problem(file=str(file), row=row, what=what)
        super().__init__(str(self.problem))


class Ledger:
    """Counts rows as they are read and collects problems, so that a single error can report all of them."""

    def __init__(self) -> None:
        self.rows = 0
        self.changed: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()
        self.problems: list[Problem] = []

    def read(self, count: int) -> None:
        """Count rows that describe people."""
        self.rows += count

    def change(self, what: str, count: int = 1) -> None:
        """Note a change made to boxes that are kept."""
        if count:
            self.changed[what] += count

    def drop(self, why: str, count: int = 1) -> None:
        """Note rows, already counted, that a rule of the format leaves out."""
        if count:
            self.dropped[why] += count

    def bad_row(self, file: str | Path, row: str, what: str) -> None:
        """Note a malformed row that is already counted."""
        self.problems.append(Problem(file=str(file), row=row, what=what))

    def bad_file(self, file: str | Path, what: str, row: str = "") -> None:
        """Note a problem with a file, or with a row that describes no box of a scene; it counts as a row of its own."""
        self.note(Problem(file=str(file), row=row, what=what))

    def note(self, problem: Problem) -> None:
        """Note a problem that counts as a row of its own, as :meth:`bad_file` does."""
        self.rows += 1
        self.problems.append(problem)

    def close(self, scenes: Sequence[Scene], *, skip_bad: bool) -> Accounting:
        """Return the account of a set.

        Raises:
            DatasetError: there were problems, and they must not be skipped; lists the first few.
        """
        if self.problems and not skip_bad:
            raise DatasetError(_message(self.problems))
        return Accounting(
            rows=self.rows,
            kept=sum(len(scene.boxes) for scene in scenes),
            changed=dict(self.changed),
            dropped=dict(self.dropped),
            skipped=tuple(self.problems),
        )


def _message(problems: Sequence[Problem]) -> str:
    if len(problems) == 1:
        return f"{problems[0]}. Correct it, or skip it with skip_bad (--skip-bad)"
    if all(FRACTIONS in one.what for one in problems):
        return (
            f"{problems[0].file}: {len(problems):,} boxes look like fractions of the image (0 to 1), the first in "
            f"{problems[0].row}. Give pixels: multiply x and width by the image's width, y and height by its height"
        )
    lines = [f"{len(problems)} rows or files cannot be used:"]
    lines += [f"  {problem}" for problem in problems[:SHOWN]]
    if len(problems) > SHOWN:
        lines.append(f"  ... and {len(problems) - SHOWN} more")
    lines.append("Correct them, or skip them with skip_bad (--skip-bad)")
    return "\n".join(lines)
