"""Evaluators in plain loops, written from the definitions alone: slow, but easy to check."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from sklearn.metrics import average_precision_score

from personsearch import Detections
from personsearch.datasets import Dataset, Query, Scene
from personsearch.evaluation.rules import Rules

Box = list[float]


def overlap(a: Box, b: Box, plus: float = 0.0) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0]) + plus
    height = min(a[3], b[3]) - max(a[1], b[1]) + plus
    inter = max(width, 0) * max(height, 0)
    area_a = (a[2] - a[0] + plus) * (a[3] - a[1] + plus)
    area_b = (b[2] - b[0] + plus) * (b[3] - b[1] + plus)
    return inter / (area_a + area_b - inter)


def needed(box: Box, rules: Rules) -> float:
    w, h = box[2] - box[0], box[3] - box[1]
    return rules.iou if rules.iou_rule == "fixed" else min(rules.iou, w * h / ((w + 10) * (h + 10)))


def reaches(iou: float, threshold: float, rules: Rules) -> bool:
    return iou >= threshold if rules.iou_inclusive else iou > threshold


def people_of(scene: Scene, rules: Rules) -> list[tuple[Box, int]]:
    people, seen = [], set()
    for row, (box, identity, ignore) in enumerate(
        zip(scene.boxes.tolist(), scene.identities.tolist(), scene.ignore.tolist(), strict=True)
    ):
        if ignore:
            continue
        again = (identity >= 0 and identity in seen) or any(row == other for other, _ in scene.repeated)
        seen.add(identity)
        if not again:
            people.append((box, identity))
        elif rules.repeated_identity == "first":
            people.append((box, -1))
    return people


def entries_of(query: Query, dataset: Dataset, rules: Rules) -> tuple[list[tuple[str, list[Box]]], int]:
    """Return the gallery of a query as (image, where the person is), and how often the person should be found."""
    if query.gallery is None:
        entries: list[tuple[str, list[Box]]] = []
        for scene in dataset.scenes:
            here = [box for box, identity in people_of(scene, rules) if identity == query.identity]
            entries.append((scene.image_id, here[:1]))
        entries = [entry for entry in entries if rules.own_image == "keep" or entry[0] != query.image_id]
    else:
        entries = [
            (name, [] if math.isnan(box[0]) else [box])
            for name, box in zip(query.gallery.image_ids, query.gallery.boxes.tolist(), strict=True)
        ]
        if rules.own_image == "exclude":
            entries = [entry for entry in entries if entry[0] != query.image_id]
    cameras = {scene.image_id: scene.camera for scene in dataset.scenes}
    own = cameras.get(query.image_id)
    if rules.cameras == "other-frames":
        entries = [entry for entry in entries if cameras[entry[0]] != own]
    if rules.cameras == "same-frames":
        entries = [entry for entry in entries if cameras[entry[0]] == own]

    def count(rows: list[tuple[str, list[Box]]]) -> int:
        return sum(len(boxes) for name, boxes in rows if not (rules.cameras == "junk" and cameras[name] == own))

    appearances = count(entries)
    if rules.repeated_entries != "twice":
        once: dict[str, list[Box]] = {}
        for name, boxes in entries:
            if name not in once:
                once[name] = list(boxes)
            elif rules.repeated_entries == "once":
                once[name] += [box for box in boxes if box not in once[name]]
        entries = list(once.items())
        if rules.repeated_entries == "once":
            appearances = count(entries)
    if rules.ties != "reversed":
        order = {scene.image_id: number for number, scene in enumerate(dataset.scenes)}
        entries.sort(key=lambda entry: order[entry[0]])
    return entries, appearances


def judged(
    query: Query, embedding: np.ndarray, detections: Mapping[str, Detections], dataset: Dataset, rules: Rules
) -> tuple[list[tuple[float, bool]], int]:
    """Return (similarity, right) of each detection in the ranking before sorting, and how often it should be found."""
    scenes = {scene.image_id: scene for scene in dataset.scenes}
    listed = any(one.gallery is not None for one in dataset.queries)
    lowest = rules.list_score_threshold if listed and rules.list_score_threshold else rules.score_threshold
    entries, appearances = entries_of(query, dataset, rules)
    rows: list[tuple[float, bool]] = []
    for name, places in entries:
        found = detections.get(name)
        here: list[tuple[float, Box]] = []
        for row in range(0 if found is None else len(found)):
            if found.scores[row] >= lowest:
                similarity = float(found.embeddings[row] @ embedding)
                here.append(
                    (similarity * (found.scores[row] if rules.confidence_weighted else 1), found.boxes[row].tolist())
                )
        same_camera = rules.cameras == "junk" and scenes[name].camera == scenes[query.image_id].camera
        right, junk, found_at = set(), set(), set()
        order = range(len(here))
        for i in sorted(order, key=lambda i: (-here[i][0], -i if rules.ties == "reversed" else i)):
            box = here[i][1]
            for place, person in enumerate(places):
                iou = overlap(box, person)
                if reaches(iou, needed(person, rules), rules):
                    if same_camera:
                        junk.add(i)
                    elif rules.positives == "first" and place not in found_at:
                        right.add(i)
                        found_at.add(place)
                elif rules.junk_iou is not None and iou >= rules.junk_iou:
                    junk.add(i)
            if rules.positives == "every":
                people = people_of(scenes[name], rules)
                overlaps = [overlap(box, other) for other, _ in people]
                if overlaps:
                    best = overlaps.index(max(overlaps))
                    if people[best][1] == query.identity and reaches(
                        max(overlaps), needed(people[best][0], rules), rules
                    ):
                        (junk if same_camera else right).add(i)
        rows += [(here[i][0], i in right) for i in order if i not in junk or i in right]
    return rows, appearances


def search(
    detections: Mapping[str, Detections], dataset: Dataset, embeddings: np.ndarray, rules: Rules
) -> tuple[list[float], list[float]]:
    """Return AP and the rank of the first right detection per query; NaN = skipped."""
    precisions, first_ranks = [], []
    for query, embedding in zip(dataset.queries, embeddings, strict=True):
        undetected = False
        if rules.query_feature == "detection":
            found = detections.get(query.image_id)
            undetected = found is None or len(found) == 0
            if not undetected:
                overlaps = [overlap(box, query.box.tolist(), 1) for box in found.boxes.tolist()]
                embedding = found.embeddings[overlaps.index(max(overlaps))]
        rows, appearances = judged(query, embedding, detections, dataset, rules)
        if (undetected and rules.undetected_query == "skip") or (not appearances and rules.absent_person == "skip"):
            precisions.append(math.nan)
            first_ranks.append(math.nan)
            continue
        if undetected or not appearances or not any(right for _, right in rows):
            precisions.append(0.0)
            first_ranks.append(math.inf)
            continue

        def place(i: int, rows: list[tuple[float, bool]] = rows) -> tuple[float, float, int]:
            similarity, right = rows[i]
            return (-similarity, right if rules.ties == "last" else 0, -i if rules.ties == "reversed" else i)

        ranking = [rows[i] for i in sorted(range(len(rows)), key=place)]
        first_ranks.append(float([right for _, right in ranking].index(True)))
        hits = sum(right for _, right in rows)
        if rules.average_precision == "steps":
            ap = average_precision_score([right for _, right in rows], [similarity for similarity, _ in rows])
            precisions.append(float(ap) * hits / appearances)
        else:
            precisions.append(trapezoid([right for _, right in ranking], appearances))
    return precisions, first_ranks


def trapezoid(ranking: list[bool], appearances: int) -> float:
    area, recall, precision, hits = 0.0, 0.0, 1.0, 0
    for place, right in enumerate(ranking, start=1):
        hits += right
        area += (hits / appearances - recall) * (precision + hits / place) / 2
        recall, precision = hits / appearances, hits / place
    return area


def detection(detections: Mapping[str, Detections], dataset: Dataset, rules: Rules) -> tuple[float, float]:
    """Return AP and recall, NaN where nobody counts; sets without ignored boxes only."""
    labels, scores, people, hits = [], [], 0, 0
    for scene in dataset.scenes:
        found = detections.get(scene.image_id)
        kept = (
            []
            if found is None
            else [i for i in range(len(found)) if found.scores[i] >= rules.detection_score_threshold]
        )
        truth = [box for box, _ in people_of(scene, rules)]
        if not kept and rules.empty_scenes == "skip":
            continue
        people += len(truth)
        table = [[overlap(found.boxes[i].tolist(), box) for box in truth] for i in kept]
        for row, i in enumerate(kept):
            hit = False
            for column in range(len(truth)):
                best_of_row = table[row].index(max(table[row])) == column
                ious = [table[other][column] for other in range(len(kept))]
                hit |= table[row][column] >= 0.5 and best_of_row and ious.index(max(ious)) == row
            labels.append(hit)
            scores.append(float(found.scores[i]))
            hits += hit
    if not people:
        return math.nan, math.nan
    if not hits:
        return 0.0, 0.0
    return float(average_precision_score(labels, scores)) * hits / people, hits / people
