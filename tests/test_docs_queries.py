"""The examples of docs/queries.md run, one after the other."""

import doctest
import re
from pathlib import Path

import pytest

from personsearch import PersonSearcher
from personsearch.demo import demo_folder

PAGE = Path(__file__).parents[1] / "docs" / "queries.md"


def test_the_examples_run(searcher: PersonSearcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    photos = [demo_folder() / name for name in ("s23c1_0003.jpg", "s23c2_0003.jpg", "s23c4_0005.jpg")]
    names = {
        "searcher": searcher,
        "photos": photos,
        "cameras": {one.name: one.name[3:5] for one in photos},
        "query": photos[2],
        "box": (389, 303, 459, 595),
        "other": photos[1],
    }
    text = "\n".join(re.findall(r"```pycon\n(.*?)```", PAGE.read_text(), flags=re.DOTALL))
    test = doctest.DocTestParser().get_doctest(text, names, PAGE.name, str(PAGE), 0)
    assert len(test.examples) > 10
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    runner.run(test)
    assert runner.summarize(verbose=False).failed == 0, "see the output above"
    assert (tmp_path / "matches.png").stat().st_size > 10_000
