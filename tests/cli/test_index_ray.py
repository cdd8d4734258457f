"""What the command refuses before Ray is started or weights are loaded; tests/scale runs it to its end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from personsearch.scale import cluster, ingest
from tests.support import Run


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("P", "G", "--on", "ray", "--tracks"), "--tracks does not work with --on ray"),
        (("P", "G", "--on", "ray", "--boxes", "b.json"), "--boxes does not work with --on ray"),
        (("P", "G", "--workers", 2), "--workers is for --on ray"),
        (("P", "G", "--writers", 2), "--writers is for --on ray"),
        (("P", "G", "--by-name"), "--by-name is for --on ray"),
        (("P", "G", "--on", "ray", "--writers", 2), "a folder has one writer, this process"),
        (
            ("P", "lance://G", "--on", "ray", "--writers", 2, "--replace"),
            "erased first, by the one process that writes",
        ),
        (("P", "P", "--on", "ray"), "holds pictures (0.png) and no gallery"),
        (("/nowhere", "G", "--on", "ray"), "/nowhere: no such folder, file or glob"),
        (("nothing://bucket", "G", "--on", "ray"), "nothing://bucket: not an address that fsspec opens"),
    ],
)
def test_input_is_checked_before_anything_is_started(
    arguments: tuple[object, ...], message: str, run: Run, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "load_weights", lambda *_, **__: pytest.fail("weights were loaded"))
    monkeypatch.setattr(cluster, "connected", lambda *_: pytest.fail("Ray was started"))
    given = {"P": photos, "G": tmp_path / "g"}
    done = run("index", *[given.get(one, one) if isinstance(one, str) else one for one in arguments])
    assert done.code == 2
    assert message in done.err.replace("\n", " ")


def test_without_ray_the_command_says_what_to_install(
    run: Run, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    done = run("index", photos, tmp_path / "g", "--on", "ray")
    assert done.code == 2
    assert "pip install 'personsearch[ray]'" in done.err.replace("\n", " ")


def test_nothing_loads_ray_that_does_not_run_on_it() -> None:
    code = "import sys, personsearch, personsearch.cli, personsearch.scale; sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
