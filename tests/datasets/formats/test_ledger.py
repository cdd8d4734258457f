import pytest

from personsearch.datasets.formats.ledger import Ledger
from personsearch.errors import DatasetError


def test_one_error_reports_all_problems() -> None:
    ledger = Ledger()
    ledger.bad_row("f.txt", "line 3", "bad")
    with pytest.raises(DatasetError, match=r"^f\.txt: line 3: bad\. Correct it, or skip it with skip_bad"):
        ledger.close([], skip_bad=False)
    for number in range(6):
        ledger.bad_file("g.txt", f"worse {number}")
    with pytest.raises(DatasetError) as raised:
        ledger.close([], skip_bad=False)
    assert str(raised.value).splitlines() == [
        "7 rows or files cannot be used:",
        "  f.txt: line 3: bad",
        *(f"  g.txt: worse {number}" for number in range(4)),
        "  ... and 2 more",
        "Correct them, or skip them with skip_bad (--skip-bad)",
    ]
    assert len(ledger.close([], skip_bad=True).skipped) == 7
