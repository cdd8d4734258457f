"""What holds for every command: mistakes end with a message and exit status 2."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
import typer
from typer.testing import CliRunner

from personsearch.cli import app
from tests.support import Run


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("index", "photos"), "the gallery's folder last"),
        (("detect", __file__, "--weights", "./none"), "no such folder"),
        (("train", "finetune", "synth-finetune", "optimizer.rate=1"), "unknown key"),
        (("train", "pretrain", "none.toml"), "cannot be read"),
        (("index", "/nowhere", "g", "--sidecar", "/none.csv"), "cannot be read"),
    ],
)
def test_mistakes_end_with_a_message_and_two(run: Run, arguments: tuple[str, ...], message: str) -> None:
    done = run(*arguments)
    assert done.code == 2
    assert message in done.err.replace("\n", " ")
    assert "Traceback" not in done.err


def test_in_a_process_of_its_own() -> None:
    command = [sys.executable, "-m", "personsearch"]
    version = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
    assert version.stdout.strip() == "0.1.0"
    wrong = subprocess.run([*command, "detect", "/nowhere.jpg"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    assert "/nowhere.jpg: no such file" in wrong.stderr
    assert "Traceback" not in wrong.stderr
    assert wrong.stdout == ""


def commands() -> Iterator[list[str]]:
    """Yield every command with the words it is called by."""
    root = typer.main.get_command(app)
    for name, command in root.commands.items():  # type: ignore[attr-defined]
        yield [name]
        yield from ([name, inner] for inner in getattr(command, "commands", ()))


def test_help_cuts_nothing_at_80_columns() -> None:
    words = list(commands())
    assert ["search"] in words
    assert ["train", "finetune"] in words
    for one in words:
        shown = CliRunner().invoke(app, [*one, "--help"], env={"COLUMNS": "80"}).output
        assert "--help" in shown
        assert "…" not in shown, one
