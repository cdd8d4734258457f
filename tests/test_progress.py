import logging
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from personsearch import progress
from personsearch.progress import Progress


def clock_of(seconds: Iterator[float]) -> SimpleNamespace:
    """Stand for the module ``time`` in one room alone: threads that other tests left behind look at the real one."""
    return SimpleNamespace(monotonic=lambda: float(next(seconds)))


def test_nothing_is_shown_where_it_is_not_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(total=3, label="scenes", shown=False) as bar:
        for _ in range(3):
            bar.advance()
    assert capsys.readouterr() == ("", "")


def test_a_bar_is_drawn_on_stderr_where_it_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(total=3, label="scenes", shown=True) as bar:
        bar.advance(2)
        bar.show("people")
    out, err = capsys.readouterr()
    assert out == ""
    assert "people" in err
    assert "2/3" in err


def test_without_a_terminal_a_line_is_logged_now_and_then(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock = iter([0.0, *range(10, 110, 10)])
    monkeypatch.setattr(progress, "time", clock_of(clock))
    with caplog.at_level(logging.INFO, "personsearch.progress"), Progress(total=20, done=10, label="scenes") as bar:
        for _ in range(10):
            bar.advance()
    # After 30, 60 and 90 seconds; each unit takes 10 seconds, and only what was done here counts for that.
    assert [record.getMessage() for record in caplog.records] == [
        "scenes  13/20, 1.2 min left",
        "scenes  16/20, 0.7 min left",
        "scenes  19/20, 0.2 min left",
    ]


def test_an_unknown_total_has_no_time_left(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    clock = iter([0.0, 40.0])
    monkeypatch.setattr(progress, "time", clock_of(clock))
    with caplog.at_level(logging.INFO, "personsearch.progress"), Progress(total=None, label="frames") as bar:
        bar.advance(7)
    assert [record.getMessage() for record in caplog.records] == ["frames  7"]
