"""A gallery in FiftyOne: its scenes and people, a person's matches as a view, and a map of who looks like whom.

    python examples/fiftyone_gallery.py GALLERY [PERSON]

Needs fiftyone (1.22 was tried), which brings a database server of its own, and nothing of torch. PERSON is the number
of a person of the gallery, as `personsearch people GALLERY` lists them; the first one without it. FiftyOne's app opens
at the end where there is a terminal; close it with Ctrl-C.
"""

import json
import os
import sys
from pathlib import Path

os.environ.setdefault("FIFTYONE_DO_NOT_TRACK", "true")  # before it is imported: no usage statistics
import fiftyone
import fiftyone.brain as fob
import numpy as np
from fiftyone import ViewField as F

from personsearch import Gallery
from personsearch.exchange.export import export_gallery

folder = Path("fiftyone-scenes")
with Gallery.open(sys.argv[1], mode="r") as gallery:
    if not (folder / "train.json").exists():
        export_gallery(gallery, folder)  # pictures of stills and of frames, and the boxes
    scenes = json.loads((folder / "train.json").read_text())
    people = {scene["id"]: [] for scene in scenes["images"]}
    for row in scenes["annotations"]:
        people[row["image_id"]].append(row)
    samples = []
    for scene in scenes["images"]:
        size = [scene["width"], scene["height"]] * 2
        detections = [
            fiftyone.Detection(
                label="not grouped" if row["person_id"] < 0 else row.get("name", f"person {row['person_id']}"),
                bounding_box=[value / side for value, side in zip(row["bbox"], size, strict=True)],
                confidence=row["score"],
                person_id=row["person_id"],
                detection_id=row["detection_id"],
            )
            for row in people[scene["id"]]
        ]
        samples.append(
            fiftyone.Sample(
                filepath=str((folder / scene["file_name"]).resolve()),
                camera=scene.get("camera"),
                time=scene.get("time"),
                people=fiftyone.Detections(detections=detections),
            )
        )
    rows = [[row["detection_id"] for row in people[scene["id"]]] for scene in scenes["images"]]
    embeddings = [np.stack([gallery.embedding(number) for number in there]) for there in rows]

dataset = fiftyone.Dataset("personsearch", overwrite=True)
dataset.add_sample_field("camera", fiftyone.StringField)  # where no scene has one, there is no such field by itself
dataset.add_sample_field("time", fiftyone.FloatField)
dataset.add_samples(samples, progress=False)
cameras = ", ".join(dataset.distinct("camera")) or "none known"
print(f"{len(dataset)} scenes, {dataset.count('people.detections')} people, cameras: {cameras}")

of_sample = dict(zip(dataset.values("id"), embeddings, strict=True))  # given, so that no other model is downloaded
common = {"patches_field": "people", "embeddings": of_sample, "progress": False}
fob.compute_similarity(dataset, brain_key="looks", backend="sklearn", metric="cosine", **common)
fob.compute_visualization(dataset, brain_key="map", method="pca", **common)  # "umap" shows more, with umap-learn

numbers = sorted({number for number in dataset.distinct("people.detections.person_id") if number >= 0})
person = int(sys.argv[2]) if len(sys.argv) > 2 else numbers[0]
seen = dataset.filter_labels("people", F("person_id") == person)
[first, *_] = seen.to_patches("people")
matches = dataset.to_patches("people").sort_by_similarity(first.people.id, k=10, brain_key="looks")
print(f"person {person} is in {len(seen)} scenes; who looks most like the first of them:")
for match in matches:
    scene = dataset[match.sample_id]
    print(f"  {match.people.label:12} {scene.camera or '-':8} {Path(match.filepath).name}")
if sys.stdout.isatty():
    fiftyone.launch_app(matches).wait()
