"""What of a set can count at all, which is known before the network runs; and in words, what did not count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from personsearch.datasets.dataset import Dataset
from personsearch.errors import DatasetError
from personsearch.evaluation.rules import PRESETS, Rules
from personsearch.evaluation.spaces import SearchSpaces


def counted_text(counted: int, left_out: Mapping[str, int]) -> str:
    """Return, for example, ``1 of 3 queries counts (2 left out: the person is only in the query's own image)``.

    Args:
        counted: how many queries count.
        left_out: why the others do not -> how many.
    """
    asked = counted + sum(left_out.values())
    text = f"{counted:,} of {asked:,} {'query' if asked == 1 else 'queries'} {'counts' if counted == 1 else 'count'}"
    return f"{text} ({reasons_text(left_out)})" if left_out else text


def reasons_text(left_out: Mapping[str, int]) -> str:
    """Return, for example, ``2 left out: the person is only in the query's own image``."""
    return "; ".join(f"{count:,} left out: {why}" for why, count in left_out.items())


def require_people(dataset: Dataset, needed_for: str = "") -> None:
    """Refuse a set whose annotated boxes all fell to a rule, or, where something needs people, one that shows nobody.

    Args:
        dataset: the set.
        needed_for: what needs people, for the message; "" = nothing does.

    Raises:
        DatasetError: names the rules.
    """
    boxes = sum(len(scene.boxes) for scene in dataset.scenes)
    ignored = sum(int(scene.ignore.sum()) for scene in dataset.scenes)
    if boxes > ignored:
        return
    accounting = dataset.accounting
    rows = max(accounting.rows, boxes)
    if rows:
        reasons = [f"{count:,} left out: {why}" for why, count in accounting.dropped.items()]
        reasons += [f"{ignored:,} marked as ignored"] * bool(ignored)
        reasons += [f"{len(accounting.skipped):,} skipped as malformed"] * bool(accounting.skipped)
        raise DatasetError(
            f"{dataset.name}: none of the {rows:,} annotated boxes counts as a person ({'; '.join(reasons)}), so "
            "nothing can be measured; 'personsearch data check' says more"
        )
    if needed_for:
        raise DatasetError(f"{dataset.name}: nobody is annotated, and {needed_for} needs people; annotate them")


def require_searchable(dataset: Dataset, rules: Rules) -> None:
    """Refuse queries that the rules call an error: those whose person is nowhere in their gallery.

    Raises:
        DatasetError: says how many, why, and which preset leaves them out.
    """
    if not dataset.queries:
        return
    absences = _absences(dataset, rules)
    if rules.absent_person != "error" or not any(absences):
        return
    absent = Counter(why for why in absences if why)
    number = next(number for number, why in enumerate(absences) if why)
    query = dataset.queries[number]
    total = len(dataset.queries)
    left = sum(why is None for why in _absences(dataset, PRESETS["strict"]))
    advice = (
        f"--preset strict leaves such queries out and measures {left:,}"
        if left
        else "no preset can search for them; search needs people who are in several scenes"
    )
    raise DatasetError(
        f"{dataset.name}: preset {rules.name!r} cannot search for {absent.total():,} of {total:,} queries "
        f"({'; '.join(f'{count:,}: {why}' for why, count in absent.items())}; the first is query {number}, person "
        f"{query.identity} in {query.image_id!r}); {advice}"
    )


def _absences(dataset: Dataset, rules: Rules) -> list[str | None]:
    spaces = SearchSpaces(dataset, rules)
    return [spaces.absence(number) for number in range(len(dataset.queries))]
