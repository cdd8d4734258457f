"""The benchmarks of decoding run, and their tables say what they promise; never how fast."""

import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks import decode, fast_decode
from personsearch import PersonSearcher
from personsearch.datasets import load_dataset
from tests.evaluation import toy
from tests.support import toy_set

pytestmark = pytest.mark.filterwarnings("ignore:The torchvision", "ignore:.*deprecated")


def rows_of(text: str) -> list[list[str]]:
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if re.match(r"\| (?!---)", line)
    ]


def test_decoders_take_turns_and_give_pillow_s_pixels(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--sizes", "1400x1000", "--repeats", "1", "--pictures", "2", "--sleep", "0.001"]
    monkeypatch.setattr(sys, "argv", ["decode.py", *arguments])
    decode.main()
    rows = rows_of(capsys.readouterr().out)
    heads = [row[0] for row in rows]
    assert rows[0][0] == "1400x1000: CPU ms"
    assert [cell.rpartition(",")[0] for cell in rows[0][1:]] == list(decode.KINDS)
    for name in ("Pillow, with the usual copies", "Pillow, in place", "load_image"):
        cells = rows[heads.index(name)][1:]
        assert all(re.fullmatch(r"\d+\.\d \(\d+\.\dx\)", cell) for cell in cells), cells  # else: other pixels
    assert any(head.startswith("simplejpeg") for head in heads)
    canvases = [(row[0], row[1], row[4]) for row in rows if row[0].startswith("stl-mrfp")]
    assert canvases == [("stl-mrfp-small", "1400x1000", "1/2"), ("stl-mrfp-r50", "1400x1000", "its size")]
    assert all(float(value) > 0 for value in rows[-1][:5])


def test_the_cost_of_decoding_at_a_part_of_the_size(
    tiny_searcher: PersonSearcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    annotations = toy_set(tmp_path / "toy", num_scenes=3)
    rows = [{"annotation_id": number} for number in (2, 4)]  # person 1, in two scenes
    (tmp_path / "toy/queries.json").write_text(json.dumps({"queries": rows}))
    larger = fast_decode.enlarged(load_dataset(annotations, "test"), 2.0, tmp_path)
    assert [(scene.width, scene.height) for scene in larger.scenes] == [(320, 192)] * 3
    assert (larger.scenes[0].boxes[:, 3] - larger.scenes[0].boxes[:, 1]).tolist() == [120] * 3
    assert larger.queries[0].box.tolist() in larger.scenes[0].boxes.tolist()

    weights = tiny_searcher.save_pretrained(tmp_path / "weights")
    monkeypatch.setattr(sys, "argv", ["fast_decode.py", str(annotations), "--weights", str(weights), "--device", "cpu"])
    fast_decode.main()
    told = capsys.readouterr().out
    assert "3 scenes of 320x192, decoded at 1/2; 2 queries" in told
    assert [row[:2] for row in rows_of(told)[1:]] == [
        [gallery, queries] for gallery in ("whole", "fast_decode") for queries in ("whole", "fast_decode")
    ]
    assert "medians: IoU nan, similarity nan" in told  # this network is sure of nobody


def test_the_same_people_are_compared() -> None:
    boxes = [[0, 0, 10, 20], [40, 0, 50, 20], [80, 0, 90, 20]]
    one = SimpleNamespace(
        detections={"a": toy.detected([0.0, 0.5, 1.0], boxes, [0.9, 0.6, 0.4]), "b": toy.detected([])}
    )
    moved = [[0, 0, 10, 20], [40, 0, 50, 16], [300, 0, 310, 20]]
    other = SimpleNamespace(detections={"a": toy.detected([0.0, 0.5, 0.0], moved), "b": toy.detected([0.1])})
    assert fast_decode.alike(one, other, 0.5) == pytest.approx((0.9, 1.0))  # of two people, 1 and 0.8
