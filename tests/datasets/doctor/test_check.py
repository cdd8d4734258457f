"""The doctor: each planted fault is found, and only that."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from personsearch.datasets import Accounting, Dataset, load_dataset
from personsearch.datasets.doctor.check import check_dataset
from personsearch.datasets.doctor.findings import EXAMPLES, KINDS
from tests.datasets.doctor.faults import PLANTED, SIZE, clean_sets, dataset, picture, scene
from tests.support import SHARED

PRW = SHARED / "prw-annotations"
SYNTH = SHARED / "synth-mini"


def kinds(*sets: Dataset, **options: object) -> dict[str, int]:
    return {one.kind: one.count for one in check_dataset(*sets, **options).findings}  # type: ignore[arg-type]


def test_a_clean_set_has_no_findings(tmp_path: Path) -> None:
    report = check_dataset(*clean_sets(tmp_path))
    assert report.findings == ()
    train, test = report.splits
    assert (train.name, train.scenes, train.boxes, train.labelled, train.identities) == ("train", 6, 18, 12, 3)
    assert (train.boxes_per_identity, round(train.head_share, 3)) == (4, 0.333)  # one of three people
    assert (test.cameras, test.queries, test.ignored, test.accounting.rows) == (2, 2, 0, 18)


@pytest.mark.parametrize("kind", KINDS)
def test_each_fault_is_found_and_no_other(kind: str, tmp_path: Path) -> None:
    report = check_dataset(*PLANTED[kind](clean_sets(tmp_path), tmp_path))
    assert [finding.kind for finding in report.findings] == [kind]
    assert report.count(KINDS[kind].severity) == 1
    (finding,) = report.findings
    assert finding.count >= 1
    assert finding.examples


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("missing-image", "train2.png"),
        ("unreadable-image", "train2.png: "),
        ("image-size", "train2.png: is 48x32, annotated as 96x64"),
        ("box-outside", "train2.png: box 3 [80, 10, 97, 50] in 96x64"),
        ("repeated-box", "train2.png: boxes 2 and 3"),
        ("one-camera", "identity 15: 2 boxes, all in camera c0, the first in "),
        ("shared-identity", "identity 10: "),
        ("near-duplicate-cameras", "again.jpg ~ "),
        ("copied-image", "train0.png"),
        ("crowded", "crowd.png: 40 people"),
        ("long-run", "run9.jpg: 10 frames, camera c0"),
        ("query-box", "query 0, identity 20 in test0.png"),
        ("skipped-row", "a.json: row 3: no bbox"),
        ("no-scenes", "has no scene that can be used: it has no images"),
        ("nothing-left", "all 3 boxes were left out: 3 class 3 (car)"),
        ("all-ignored", "val0.png: 2 ignored"),
        ("no-people", "val0.png"),
        ("no-identity", "val0.png: 2 without a label"),
        ("one-identity", "identity 30, first in "),
        ("many-clipped", "9 of 18 boxes"),
        ("person-zero", "train0.png"),
        ("dropped-row", "4 no person"),
        ("other-counts", "images: expected 5,704, found 6"),
    ],
)
def test_an_example_says_where(kind: str, text: str, tmp_path: Path) -> None:
    (finding,) = check_dataset(*PLANTED[kind](clean_sets(tmp_path), tmp_path)).findings
    assert text in finding.examples[0]


def test_counts_are_of_things_not_of_examples(tmp_path: Path) -> None:
    sets = clean_sets(tmp_path)
    for one in sets:
        for item in one.scenes:
            item.path.unlink()
    (finding,) = check_dataset(*sets).findings
    assert (finding.kind, finding.part, finding.count) == ("missing-image", "train + test", 12)
    assert len(finding.examples) == EXAMPLES
    sets = PLANTED["shared-identity"](clean_sets(tmp_path), tmp_path)
    assert kinds(*sets) == {"shared-identity": 3}


def test_headers_show_sizes_but_not_damage_or_copies(tmp_path: Path) -> None:
    for kind in ("missing-image", "image-size"):
        assert kinds(*PLANTED[kind](clean_sets(tmp_path), tmp_path), look="headers") == {kind: 1}
    for kind in ("unreadable-image", "copied-image", "near-duplicate-cameras"):
        assert kinds(*PLANTED[kind](clean_sets(tmp_path), tmp_path), look="headers") == {}


def test_annotations_can_be_checked_without_images(tmp_path: Path) -> None:
    sets = PLANTED["box-outside"](clean_sets(tmp_path), tmp_path)
    for item in sets[0].scenes:
        item.path.unlink()
    assert kinds(*sets, look="none") == {"box-outside": 1}


def test_sizes_are_those_of_the_upright_image(tmp_path: Path) -> None:
    sets = clean_sets(tmp_path)
    first = sets[0].scenes[0]
    turn = Image.Exif()
    turn[0x0112] = 6
    picture(0).transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.jpg", exif=turn, quality=95)
    upright = replace(first, path=tmp_path / "turned.jpg")
    assert kinds(replace(sets[0], scenes=(upright, *sets[0].scenes[1:])), look="headers") == {}
    lying = replace(upright, width=SIZE[1], height=SIZE[0])
    (finding,) = look_findings(replace(sets[0], scenes=(lying, *sets[0].scenes[1:])), "image-size")
    assert "is 96x64 when turned upright as its EXIF says, annotated as 64x96" in finding


def look_findings(one: Dataset, kind: str) -> list[str]:
    report = check_dataset(one, look="headers")
    return [example for finding in report.findings if finding.kind == kind for example in finding.examples]


def test_ignored_boxes_are_not_people(tmp_path: Path) -> None:
    sets = PLANTED["small-box"](clean_sets(tmp_path), tmp_path)
    scenes = list(sets[0].scenes)
    scenes[2] = replace(scenes[2], ignore=np.array([False, False, False, True]))
    report = check_dataset(replace(sets[0], scenes=tuple(scenes)), sets[1])
    assert report.findings == ()
    assert (report.splits[0].boxes, report.splits[0].ignored) == (18, 1)


def test_times_order_a_run(tmp_path: Path) -> None:
    frames = []
    for k in range(20):
        picture(k % 2).save(tmp_path / f"{k}.png")
        frames.append(scene(tmp_path / f"{k}.png", None, "c0", time=float(k % 2 * 100 + k)))
    runs = [one for one in check_dataset(dataset("walk", frames)).findings if one.kind == "long-run"]
    assert runs == []  # equal files are copies, and count once
    for k in range(20):
        picture(k % 2).save(tmp_path / f"{k}.jpg", quality=70 + k)
        frames[k] = replace(frames[k], path=tmp_path / f"{k}.jpg")
    (run,) = [one for one in check_dataset(dataset("walk", frames)).findings if one.kind == "long-run"]
    assert run.count == 2
    assert "0.jpg to " in run.examples[0]
    assert "18.jpg: 10 frames" in run.examples[0]


def test_crops_are_not_reported_as_look_alikes(tmp_path: Path) -> None:
    crops = []
    for k, camera in enumerate(("c0", "c1")):
        picture(0).save(tmp_path / f"{k}.jpg", quality=80 + k)
        whole = np.array([[0, 0, *SIZE]], np.float32)
        crops.append(scene(tmp_path / f"{k}.jpg", None, camera, boxes=whole, identities=np.array([4])))
    assert kinds(dataset("crops", crops)) == {"one-identity": 2}
    assert "near-duplicate-cameras" in kinds(dataset("scenes", [*crops, scene(tmp_path / "x.png", 1, "c0")]))


def test_published_counts_of_an_official_name(tmp_path: Path) -> None:
    train = clean_sets(tmp_path)[0]
    examples = [one.examples for one in check_dataset(replace(train, name="prw/train")).findings]
    assert examples == [
        (
            "images: expected 5,704, found 6",
            "boxes: expected 18,048, found 18",
            "labelled boxes: expected 14,907, found 12",
            "identities: expected 483, found 3",
        )
    ]
    assert kinds(replace(train, name="my-prw/train")) == {}


def test_the_report_is_json(tmp_path: Path) -> None:
    sets = PLANTED["skipped-row"](clean_sets(tmp_path), tmp_path)
    report = json.loads(json.dumps(check_dataset(*sets, look="none").to_dict()))
    assert (report["images"], report["errors"], report["warnings"], report["notes"]) == ("none", 1, 0, 0)
    assert report["findings"][0] == {
        "severity": "error",
        "kind": "skipped-row",
        "what": "rows or files that cannot be used",
        "advice": "correct them; they were skipped",
        "part": "train",
        "count": 1,
        "examples": ["a.json: row 3: no bbox"],
    }
    assert report["splits"][0]["accounting"]["skipped"] == [{"file": "a.json", "row": "row 3", "what": "no bbox"}]


def test_figures_that_count_nothing_are_null(tmp_path: Path) -> None:
    report = check_dataset(*PLANTED["no-identity"](clean_sets(tmp_path), tmp_path), look="none")
    assert np.isnan([report.splits[2].boxes_per_identity, report.splits[2].head_share]).all()
    train, _, val = json.loads(json.dumps(report.to_dict(), allow_nan=False))["splits"]
    assert (train["boxes_per_identity"], val["boxes_per_identity"], val["head_share"]) == (4, None, None)


def test_a_full_look_decodes_what_a_reduced_one_need_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sets = clean_sets(tmp_path)
    assert kinds(*sets, look="full") == {}
    for kind in ("missing-image", "unreadable-image", "image-size", "copied-image"):
        assert kinds(*PLANTED[kind](clean_sets(tmp_path), tmp_path), look="full") == {kind: 1}
    # A float picture that is no number anywhere: grey to a reduced look, refused by what training reads with.
    nothing = Image.fromarray(np.full((SIZE[1], SIZE[0]), np.nan, np.float32))
    nothing.save(tmp_path / "nan.tiff")
    odd = replace(sets[0], scenes=(*sets[0].scenes, scene(tmp_path / "nan.tiff", None)))
    assert kinds(odd, look="full") == {"unreadable-image": 1}


def test_errors_come_first(tmp_path: Path) -> None:
    sets = PLANTED["box-outside"](
        PLANTED["crowded"](PLANTED["one-box"](clean_sets(tmp_path), tmp_path), tmp_path), tmp_path
    )
    assert [one.severity for one in check_dataset(*sets).findings] == ["error", "warning", "note"]


def test_a_set_without_scenes_is_an_error() -> None:
    empty = Dataset(name="none", scenes=(), accounting=Accounting(rows=0, kept=0))
    assert kinds(empty) == {"no-scenes": 1}
    assert kinds() == {}


@pytest.mark.skipif(not SYNTH.is_dir(), reason="needs synth-mini")
def test_synth_mini_is_clean() -> None:
    test = load_dataset(SYNTH, "test")
    assert kinds(test) == {}
    assert kinds(load_dataset(SYNTH, "train"), test, look="headers") == {"numbered-apart": 110}


@pytest.mark.skipif(not PRW.is_dir(), reason="needs the annotations of PRW")
def test_prw_shows_people_of_training_in_its_test_frames() -> None:
    sets = [
        load_dataset(PRW / f"{split}_pid.json", split, skip_bad=True, require_images=False)
        for split in ("train", "test")
    ]
    sets = [replace(one, scenes=tuple(replace(item, camera=item.image_id[:2]) for item in one.scenes)) for one in sets]
    counts = kinds(*sets, look="none")
    assert counts["shared-identity"] == 94
    assert counts["skipped-row"] == 5935  # people without a label are -2 in this file
