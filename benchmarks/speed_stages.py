"""Where the time goes: the stages of the fast network one by one, beside those of the reference and beside the floor.

``speed.py`` prints these as a table. The reference scores and selects in one call, so the two have one row together.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from speed_counts import PARTS, Rates, parts, stages
from speed_paths import Cell, Plan, config_for, scenes_for, searcher_for
from speed_timing import Sample, ratio, timed
from torch import Tensor

ORDER = ("features", "propose", "score", "select", "score, select", "identify", "all")

Step = Callable[[], object]


def fast_steps(network: Any, images: Tensor, people: int) -> dict[str, Step]:
    """Return the stages of a fast network, to be called in order; the last returns embeddings.

    None waits for the host.

    Args:
        network: ``personsearch.fast.FastNetwork``.
        images: (N, 3, H, W) uint8 on its device.
        people: who are kept in each image: so many there must be.
    """
    made: dict[str, Any] = {}
    settings = network.config.detector
    image_of = torch.arange(len(images), device=images.device).repeat_interleave(people)

    def features() -> None:
        made["low"], made["high"] = network.features(images)

    def propose() -> None:
        made["regions"] = network.propose(made["high"])

    def score() -> None:
        made["boxes"], made["scores"] = network.score(made["high"], made["regions"])

    def select() -> None:
        made["chosen"] = network.select(
            made["boxes"],
            made["scores"],
            made["regions"].real,
            score_threshold=settings.score_threshold,
            max_people=settings.max_people,
        )

    def identify() -> Tensor:
        boxes = made["chosen"].boxes[:, :people].reshape(-1, 4)
        return network.identify(made["low"], made["high"], boxes, image_of)

    return {"features": features, "propose": propose, "score": score, "select": select, "identify": identify}


def reference_steps(network: Any, images: Tensor, dtype: torch.dtype) -> dict[str, Step]:
    """Return the matching parts of the reference network, to be called in order; the last returns embeddings.

    Args:
        network: ``personsearch.models.PersonSearchNetwork``.
        images: (N, 3, H, W) uint8 on its device.
        dtype: what it computes in.
    """
    made: dict[str, Any] = {}
    settings = network.config.detector

    def features() -> None:
        made["images"] = images.to(dtype) / 255
        made["low"], made["high"] = network._features(made["images"])

    def propose() -> None:
        made["proposals"] = network.detector.propose(made["images"], made["high"])

    def score_and_select() -> None:
        made["boxes"], _ = network.detector(
            made["images"], made["high"], made["proposals"], settings.score_threshold, settings.max_people
        )

    def identify() -> Tensor:
        return network._embed(made["low"], made["high"], made["boxes"])

    return {"features": features, "propose": propose, "score, select": score_and_select, "identify": identify}


def timed_steps(steps: Mapping[str, Step], device: torch.device) -> dict[str, Sample]:
    """Time steps that follow each other. On a GPU events stand between them and the host waits once, at the end."""
    if device.type != "cuda":
        return {name: timed(step, device) for name, step in steps.items()}
    stream = torch.cuda.current_stream(device)
    events = [torch.cuda.Event(enable_timing=True) for _ in range(len(steps) + 1)]
    spent = [time.process_time()]
    events[0].record(stream)
    for step, event in zip(steps.values(), events[1:], strict=True):
        step()
        event.record(stream)
        spent.append(time.process_time())
    torch.cuda.synchronize(device)
    return {
        name: Sample(events[i].elapsed_time(events[i + 1]) / 1000, spent[i + 1] - spent[i])
        for i, name in enumerate(steps)
    }


def summed(taken: Mapping[str, Sample]) -> dict[str, float]:
    """Return seconds by step, and of sums: ``score, select``, which the reference does in one, and ``all``."""
    walls = {name: sample.wall for name, sample in taken.items()}
    walls["score, select"] = sum(walls.get(name, 0.0) for name in ("score", "select", "score, select"))
    walls["all"] = sum(sample.wall for sample in taken.values())
    return {name: walls[name] for name in ORDER if name in walls}


def measure_stages(cell: Cell, plan: Plan, rates: Mapping[str, Rates]) -> list[dict[str, Any]]:
    """Time the stages of each path in turn; return a row for each stage of each path.

    Args:
        cell: the setting.
        plan: the paths, the reference first, and how often.
        rates: of this machine, by dtype.
    """
    device, scenes = torch.device(cell.device), scenes_for(cell)
    runs: dict[tuple[str, str], dict[str, Step]] = {}
    for path, dtype in plan.paths:
        searcher = searcher_for(cell, path, dtype)
        if path == "reference":
            runs[path, dtype] = reference_steps(searcher.network, scenes.batch, searcher.dtype)
        else:
            runs[path, dtype] = fast_steps(searcher.network, scenes.batch, cell.people)
    with torch.inference_mode():
        rounds = plan.rounds.take(lambda: {which: summed(timed_steps(steps, device)) for which, steps in runs.items()})
    height, width = scenes.batch.shape[-2:]
    work = parts(stages(config_for(cell), width, height, batch=cell.batch, people=cell.people))
    rows = []
    for path, dtype in plan.paths:
        own = [one[path, dtype] for one in rounds]
        value_bytes = getattr(torch, dtype).itemsize
        for name in own[0]:
            walls = [one[name] for one in own]
            before = [one[plan.paths[0]].get(name) for one in rounds]
            names = PARTS if name == "all" else name.split(", ")
            floor = sum(rates[dtype].floor_of(work[part], value_bytes) for part in names)
            rows.append(
                cell.row("stage", path, dtype)
                | {"stage": name, "rounds": len(own)}
                | {"median_ms": round(1000 * statistics.median(walls), 3)}
                | {"share": round(statistics.median(one[name] / one["all"] for one in own), 4)}
                | {"floor_ms": round(1000 * floor, 3)}
                | {"times_reference": None if None in before else str(ratio(before, walls))}
            )
    return rows
