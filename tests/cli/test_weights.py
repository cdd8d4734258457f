import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from personsearch import PersonSearcher, list_weights
from personsearch.cli.weights import app
from personsearch.weights import hub
from tests.support import Run


def test_list_shows_names_whole_on_a_narrow_terminal() -> None:
    done = CliRunner().invoke(app, ["list"], env={"COLUMNS": "80"})
    assert done.exit_code == 0
    for name in list_weights():
        assert name in done.output
    assert max(map(len, done.output.splitlines())) <= 80
    for entry in list_weights().values():
        assert f"{100 * entry.metrics['top1']:.1f}" in done.output  # the last column is whole, too


def test_show_takes_a_name_in_both_spellings(run: Run) -> None:
    plain = run("weights", "show", "stl-mrfp-small", "--json")
    assert "nobody real" in json.loads(plain.out)["train_data"]
    assert run("weights", "show", "package://stl-mrfp-small", "--json").out == plain.out
    wrong = run("weights", "show", "none")
    assert wrong.code == 2
    assert "none: no weights of this name; there are stl-mrfp-small" in wrong.err


def test_fetch_prints_where_packaged_weights_are(run: Run) -> None:
    done = run("weights", "fetch", "stl-mrfp-small")
    assert done.code == 0
    assert done.out.endswith("assets/weights/stl-mrfp-small\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("./none", "repo"), "repo: not the name of a repository on the Hub; write org/repo"),
        (("a/b/c", "org/repo"), "a/b/c: not a name of weights; write ./a/b/c for a folder"),
        (("./none", "org/repo"), "./none: no such folder"),
        (("./none.pth", "org/repo"), "./none.pth: no such file"),
    ],
)
def test_publish_checks_its_arguments_before_it_loads_or_connects(
    arguments: tuple[str, str], message: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PersonSearcher, "from_pretrained", lambda *_, **__: pytest.fail("the network was loaded"))
    monkeypatch.setattr(hub, "HfApi", lambda **_: pytest.fail("the Hub was asked"))
    done = run("weights", "publish", *arguments, "--license", "cc0-1.0", "--train-data", "toys")
    assert done.code == 2
    assert message in done.err.replace("\n", " ")


def test_publish_takes_folders_only(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "net.pth"
    file.touch()
    done = run("weights", "publish", file, "org/repo", "--license", "cc0-1.0", "--train-data", "toys")
    assert done.code == 2
    assert "a file; give the weights folder that holds it" in done.err.replace("\n", " ")


def test_weights_list_and_show(run: Run) -> None:
    assert "stl-mrfp-small" in run("weights", "list").out
    assert json.loads(run("weights", "list", "--json").out)["stl-mrfp-small"]["license"] == "CC0-1.0"
    assert json.loads(run("weights", "show", "stl-mrfp-small", "--json").out)["arch"] == "stl-mrfp-small"
    assert "sha256" in run("weights", "show", "stl-mrfp-small").out
    assert run("weights", "show", "nope").code == 2
