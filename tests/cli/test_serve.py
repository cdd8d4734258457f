"""What ``personsearch serve`` refuses before it listens."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import Run


def test_neither_gallery_nor_demo(run: Run) -> None:
    done = run("serve")
    assert done.code == 2
    assert "give the folder of a gallery to serve, or --demo to try the bundled scenes" in done.err
    assert "personsearch index photos/ my-gallery/" in done.err


def test_gallery_and_demo(run: Run, tmp_path: Path) -> None:
    done = run("serve", tmp_path, "--demo")
    assert done.code == 2
    assert "not both" in done.err


def test_a_service_that_only_reads_makes_no_gallery(run: Run, tmp_path: Path) -> None:
    done = run("serve", tmp_path / "g", "--read-only", "--port", 0)
    assert done.code == 2
    assert "--read-only makes none" in done.err
    assert not (tmp_path / "g").exists()


def test_a_folder_of_pictures_is_no_gallery(run: Run, photos: Path) -> None:
    done = run("serve", photos, "--port", 0)
    assert done.code == 2
    assert str(photos) in done.err
    assert sorted(path.suffix for path in photos.iterdir()) == [".png"] * 3


@pytest.mark.parametrize(
    ("content", "words"), [("short", "a token is one word of at least 16"), (None, "cannot be read")]
)
def test_tokens_are_checked(run: Run, tmp_path: Path, content: str | None, words: str) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content)
    done = run("serve", tmp_path / "g", "--token-file", file, "--port", 0)
    assert done.code == 2
    assert words in done.err
    assert str(file) in done.err


def test_the_token_of_the_environment_is_checked_and_not_shown(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERSONSEARCH_TOKEN", "tooshort")
    done = run("serve", tmp_path / "g", "--port", 0)
    assert done.code == 2
    assert "PERSONSEARCH_TOKEN: a token is one word" in done.err
    assert "tooshort" not in done.err


def test_a_port_that_is_taken(run: Run, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = run("serve", tmp_path / "g", "--port", taken.getsockname()[1])
    assert done.code == 2
    assert "cannot listen there (Address already in use); give another --port" in done.err
    assert not (tmp_path / "g").exists()


def test_an_address_that_is_not_of_this_machine(run: Run, tmp_path: Path) -> None:
    done = run("serve", tmp_path / "g", "--host", "192.0.2.1", "--port", 0)
    assert done.code == 2
    assert "--host 192.0.2.1" in done.err


def test_without_the_extra_it_says_what_to_install(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['fastapi'] = None; sys.argv = ['personsearch', 'serve', 'g']; "
        "from personsearch.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "the service needs fastapi, which is not installed: pip install 'personsearch[serve]'" in " ".join(
        done.stderr.split()
    )
    assert not (tmp_path / "g").exists()


def test_the_command_line_loads_nothing_of_it(tmp_path: Path) -> None:
    heavy = ("fastapi", "uvicorn", "starlette", "prometheus_client", "torch")
    program = f"import sys, personsearch.cli; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
