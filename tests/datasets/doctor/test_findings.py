from __future__ import annotations

from pathlib import Path

from personsearch.datasets.doctor.findings import EXAMPLES, KINDS, Finding, findings_of


def test_nothing_is_no_finding() -> None:
    assert findings_of("one-box", "train", []) == []
    assert findings_of("one-box", "train", ["never shown"], 0) == []


def test_a_finding_keeps_the_first_examples_and_counts_all() -> None:
    names = [f"{number}.jpg" for number in range(EXAMPLES + 2)]
    [finding] = findings_of("one-box", "train", names)
    assert finding == Finding(kind="one-box", part="train", count=EXAMPLES + 2, examples=tuple(names[:EXAMPLES]))
    assert finding.severity == "warning"
    assert findings_of("one-box", "train", names[:1], 9)[0].count == 9


def test_the_docs_list_every_finding() -> None:
    text = (Path(__file__).parents[3] / "docs" / "datasets.md").read_text()
    rows = {line.split(" | ")[0].removeprefix("| "): line for line in text.splitlines() if line.count(" | ") == 3}
    for name, kind in KINDS.items():
        assert rows[name] == f"| {name} | {kind.severity} | {kind.what} | {kind.advice} |"
