"""From a gallery to training, as docs/integrations.md says: the whole path, with the weights in the package."""

import json
from pathlib import Path

import pytest

from personsearch.demo import demo_folder
from tests.exchange.test_export import accepted
from tests.support import Run


@pytest.mark.slow
def test_the_whole_path(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("index", demo_folder(), "my-gallery").code == 0
    assert run("people", "my-gallery", "--min-similarity", 0.6).code == 0
    for format, file in (("coco", "train.json"), ("cvat", "annotations.xml"), ("label-studio", "corrected.json")):
        assert run("gallery", "export", "my-gallery", format, "--format", format).code == 0
        if format == "label-studio":
            tasks = json.loads(Path(format, "tasks.json").read_text())
            Path(format, file).write_text(json.dumps(accepted(tasks)))
        annotations = f"{format}/{file}"
        checked = json.loads(run("data", "check", annotations, "--json").out)
        assert not [one for one in checked["findings"] if one["severity"] == "error"]
        changes = (f"data.annotations={annotations}", f"run.out={format}-run")
        done = run("train", "finetune", "own-finetune", *changes, "--dry-run")
        assert done.code == 0, done.err
        assert "12, all of them sound" in done.out
