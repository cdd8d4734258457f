"""What holds for every command: mistakes end with a message and exit status 2."""

import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
import typer
from typer.testing import CliRunner

from personsearch.cli import app
from personsearch.cli.common import parse_box
from personsearch.errors import ImageError
from tests.support import Run


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("index", "photos"), "the gallery's folder last"),
        (("detect", __file__, "--weights", "./none"), "no such folder"),
        (("train", "finetune", "synth-finetune", "optimizer.rate=1"), "unknown key"),
        (("train", "pretrain", "none.toml"), "cannot be read"),
        (("index", "/nowhere", "g", "--sidecar", "/none.csv"), "cannot be read"),
        (("detect", __file__, "--device", "gpu"), "device 'gpu' is unknown; use cuda, cuda:1, mps or cpu"),
        (("demo", "--device", "nonsense"), "device 'nonsense' is unknown"),
        (("detect", __file__, "--device", "cuda:99"), "device 'cuda:99' is not available"),
        (("detect", __file__, "--weights", "a/b/c"), "a/b/c: not a name of weights; write ./a/b/c"),
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


def options(words: list[str]) -> Iterator[str]:
    """Yield the options of a command, in every spelling."""
    command = typer.main.get_command(app)
    for word in words:
        command = command.commands[word]  # type: ignore[attr-defined]
    for parameter in command.params:
        yield from (name for name in (*parameter.opts, *parameter.secondary_opts) if name.startswith("-"))


def test_help_cuts_nothing_at_80_columns() -> None:
    words = [[], *commands()]
    assert ["search"] in words
    assert ["train", "finetune"] in words
    for one in words:
        shown = CliRunner().invoke(app, [*one, "--help"], env={"COLUMNS": "80"}).output
        assert "--help" in shown
        assert "…" not in shown, one
        assert not re.search(r"\w\.\.\.$", shown, re.MULTILINE), one  # a description that ends where its line does
        assert max(map(len, shown.splitlines())) <= 80, one
        for option in options(one):
            assert re.search(rf"(^|[\s,]){re.escape(option)}([\s,]|$)", shown), (one, option)


def test_the_list_of_commands_says_all_of_each_description() -> None:
    shown = " ".join(CliRunner().invoke(app, ["--help"], env={"COLUMNS": "80"}).output.split())
    assert "adapt Adapt weights to your camera from pictures of its empty place: nobody is photographed" in shown


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ("1,2,3", "--box '1,2,3': must be four numbers x1,y1,x2,y2 in pixels"),
        ("a,b,c,d", "must be four numbers"),
        ("", "must be four numbers"),
        ("1,2,3,4,", "must be four numbers"),
        ("0,0,nan,9", "box (0, 0, nan, 9): its numbers must be finite"),
        ("0,0,1e400,9", "box (0, 0, inf, 9): its numbers must be finite"),
        ("30,10,10,90", "x2 must be more than x1 and y2 more than y1"),
        ("-9,-9,-1,-1", "it lies outside"),
        ("0.1,0.2,0.5,0.9", "looks like fractions of the image (0 to 1); give pixels"),
    ],
)
def test_a_box_that_no_image_could_make_right_is_refused(box: str, message: str) -> None:
    with pytest.raises(ImageError) as refused:
        parse_box(box)
    assert message in str(refused.value)


def test_boxes_that_may_be_right_are_read() -> None:
    assert parse_box(" 1, 2.5 ,30,40") == (1, 2.5, 30, 40)
    assert parse_box("-5,0,10,20") == (-5, 0, 10, 20)  # partly outside: clipped once the image is known
