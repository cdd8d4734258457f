"""Write down what a change that moves code must not change: run it before and after, on the same machine.

    python tools/golden.py before.json
    python tools/golden.py after.json --compare before.json

It renders a small set, trains both steps of STL on it for a few steps, and runs detection, search, evaluation and the
pictures on the bundled scenes. Everything is compared bit for bit, so the figures mean nothing on another machine.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import personsearch
from personsearch import PersonSearcher, draw

SCENES = Path(personsearch.__file__).parent / "assets" / "demo"
PRESETS = ("standard", "strict", "seqnet", "alignps", "stl-author", "cross-camera-frames")

RECIPE = """
{extra}
[run]
out = "{out}"
num_workers = 0
log_every = 1
device = "cpu"
[model]
name = "golden"
backbone = "resnet18_ibn_a"
[model.input]
min_size = 160
max_size = 256
[model.detector]
head_width = 16
rpn_pre_nms_train = 100
rpn_pre_nms_test = 100
rpn_post_nms_train = 40
rpn_post_nms_test = 20
score_threshold = 0.0
max_people = 5
[model.reid]
roi_size = [8, 4]
[data]
annotations = "{set}/train.json"
holdout_places = ["{place}"]
[optimizer]
name = "adam"
lr = 1e-3
[schedule]
epochs = 2
"""


def main() -> None:
    """Measure, and compare where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="json file to write")
    parser.add_argument("--compare", type=Path, help="json file of an earlier run")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        golden = {**inference(Path(folder)), **evaluation(Path(folder)), **training(Path(folder))}
    arguments.out.write_text(json.dumps(golden, indent=1, sort_keys=True) + "\n")
    if arguments.compare:
        before = json.loads(arguments.compare.read_text())
        changed = [key for key in sorted(before.keys() | golden.keys()) if before.get(key) != golden.get(key)]
        print("\n".join(f"changed: {key}" for key in changed) or f"all {len(golden)} figures are equal")
        sys.exit(bool(changed))


def inference(folder: Path) -> dict[str, Any]:
    """Detections, embeddings, pictures and a search, of the bundled scenes by the shipped weights."""
    searcher = PersonSearcher.from_pretrained(device="cpu")
    paths = sorted(SCENES.glob("*.jpg"))
    detections = searcher.detect(paths, progress=False)
    demo = json.loads(command("demo", "--json", "--out", folder / "demo.png"))
    shutil.copytree(SCENES, folder / "scenes")  # the name of the query is in the picture
    command("index", "scenes", "gallery", cwd=folder)
    box = ",".join(str(value) for value in detections[0].boxes[0].tolist())
    query = ("gallery", f"scenes/{paths[0].name}", "--box", box)
    answer = json.loads(command("search", *query, "--save", "matches.png", "--json", cwd=folder))
    matches = answer["matches"] if isinstance(answer, dict) else answer  # a list until November 2026
    for match in matches:
        match["extra"].pop("path", None)
    return {
        "fingerprint": searcher.spec.fingerprint,
        "boxes": [digest(one.boxes) for one in detections],
        "scores": [digest(one.scores) for one in detections],
        "embeddings": [digest(one.embeddings) for one in detections],
        "picture of detections": digest(draw(paths[0], detections[0])),
        "demo": [[row["image_id"], row["similarity"], row["box"]] for row in demo],
        "picture of the demo": digest(Image.open(folder / "demo.png")),
        "matches": matches,
        "picture of matches": digest(Image.open(folder / "matches.png")),
    }


def evaluation(folder: Path) -> dict[str, Any]:
    """Figures of the bundled scenes under several protocols, with everything that can be measured."""
    presets = [word for name in PRESETS for word in ("--preset", name)]
    extra = ("--baselines", "--truth", "--reid", "--coco", "--rerank", "k-reciprocal", "--gallery-sizes", "5,11")
    told = json.loads(
        command("evaluate", "stl-mrfp-small", SCENES / "scenes.json", *presets, *extra, "--no-cache", "--json")
    )
    kept = {key: value for key, value in told.items() if key not in ("date", "versions", "timing")}
    return {f"evaluation {key}": value for key, value in kept.items()}


def training(folder: Path) -> dict[str, Any]:
    """Bytes of a rendered set and of weights trained on it, and the figures of every step."""
    made = folder / "set"
    command("synth", "make", made, "train.scenes=2", "train.identities=12", "train.frames=12", "--recipe", "tiny")
    annotations = json.loads((made / "train.json").read_text())
    place = annotations["images"][-1]["scene"]
    result = {
        "rendered set": {str(path.relative_to(made)): digest_of_file(path) for path in sorted(made.rglob("*.jpg"))}
    }
    result["rendered annotations"] = hashlib.sha256((made / "train.json").read_bytes()).hexdigest()
    steps = {"pretrain": ("num_identities = 2\nnum_instances = 2", "backbone"), "finetune": ("batch_size = 2", "model")}
    for step, (extra, file) in steps.items():
        recipe, out = folder / f"{step}.toml", folder / step
        if step == "finetune":
            extra += f'\ninit = "{folder}/pretrain/weights"'
        recipe.write_text(RECIPE.format(extra=extra, out=out, set=made, place=place))
        command("train", step, recipe)
        rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
        result[f"{step}: rows"] = [{k: v for k, v in row.items() if k != "images_per_s"} for row in rows]
        result[f"{step}: weights"] = digest_of_file(out / "weights" / f"{file}.safetensors")
    return result


def command(*words: object, cwd: Path | None = None) -> str:
    """Run the command line; returns what it prints."""
    environment = {**os.environ, "PERSONSEARCH_CACHE": os.devnull}
    line = [sys.executable, "-c", "from personsearch.cli import main; main()", *map(str, words)]
    done = subprocess.run(line, capture_output=True, text=True, env=environment, cwd=cwd)  # noqa: S603
    if done.returncode:
        sys.exit(f"personsearch {' '.join(map(str, words))} failed:\n{done.stderr}")
    return done.stdout


def digest(values: Any) -> str:
    """Hash an array or a picture."""
    array = np.ascontiguousarray(np.asarray(values))
    return hashlib.sha256(f"{array.shape} {array.dtype}".encode() + array.tobytes()).hexdigest()[:16]


def digest_of_file(path: Path) -> str:
    """Hash a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


if __name__ == "__main__":
    main()
