"""Galleries in Lance's format for tests, and what other processes do with them."""

from __future__ import annotations

import itertools
import multiprocessing
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np

from personsearch.gallery.meta import meta_of
from personsearch.gallery.rows import ImageRow
from personsearch.gallery.stores.engine import PersonRecord, SceneRecord, content_of, person_records
from personsearch.gallery.stores.lance import LanceEngine, open_lance
from personsearch.results import Detections
from tests.gallery import toy

SPAWN = multiprocessing.get_context("spawn")  # Lance's threads do not survive a fork


def opened(address: str) -> LanceEngine:
    """Open a gallery of toy embeddings; make it if it is not there."""
    engine = open_lance(address)
    engine.create(meta_of(toy.spec()), toy.DIM)
    return engine


def stored(
    image_id: str, detections: Detections, camera: str | None = None, time: float | None = None
) -> tuple[SceneRecord, list[PersonRecord]]:
    """Return the records of a scene and its people."""
    row = ImageRow.new(image_id, detections, camera, time, "{}")
    return SceneRecord.of(row, content_of(detections), len(detections), 1), person_records(row, detections)


def put(engine: LanceEngine, names: Iterable[str]) -> None:
    """Store toy scenes, whose content follows from their names, in one batch."""
    records = [stored(name, toy.scene(name)) for name in names]
    engine.put_people([one for _, people in records for one in people])
    engine.put_scenes([scene for scene, _ in records])


def vector(person: PersonRecord) -> np.ndarray:
    """Return the embedding of a person as it is compared, (D,) float64, unit length."""
    found = np.frombuffer(person.embedding, np.float16).astype(np.float64)
    return found / np.linalg.norm(found)


def check_toy_scenes(engine: LanceEngine, names: Sequence[str]) -> None:
    """Check that exactly these toy scenes are there, each once and with all of its people."""
    records = [stored(name, toy.scene(name)) for name in names]
    assert sorted(one.image_id for part in engine.every_scene() for one in part) == sorted(names)
    there = [one for part in engine.every_person() for one in part]
    assert all(one.intact for one in there)
    assert sorted(one.id for one in there) == sorted(one.id for _, people in records for one in people)
    assert engine.counts() == (len(names), len(there))


def write_batches(address: str, batches: Sequence[Sequence[str]], acknowledged: Path, start: Any = None) -> None:
    """Store batches of toy scenes, and write a line to a file after each; in another process.

    Args:
        address: of the gallery.
        batches: names of scenes.
        acknowledged: gets the number of each batch.
        start: a barrier to wait at first.
    """
    engine = opened(address)
    if start is not None:
        start.wait()
    with acknowledged.open("a") as file:
        for number, names in enumerate(batches):
            put(engine, names)
            file.write(f"{number}\n")
            file.flush()


def check_writers_of_the_same(address: str, work: Sequence[Sequence[str]], folder: Path, processes: int) -> None:
    """Have processes store the same batches at the same time, and check that each scene is there once."""
    opened(address)
    start = SPAWN.Barrier(processes)
    writers = [
        SPAWN.Process(target=write_batches, args=(address, work, folder / f"acknowledged{one}", start))
        for one in range(processes)
    ]
    with running(*writers):
        finish(*writers)
    check_toy_scenes(open_lance(address), list(itertools.chain(*work)))


def create(address: str, fingerprint: str, size: int, start: Any) -> None:
    """Make a gallery with facts of one's own; in another process."""
    engine = open_lance(address)
    facts = {"fingerprint": fingerprint, "embedding_size": str(size)}
    start.wait()
    engine.create(facts, size)


@contextmanager
def running(*processes: BaseProcess) -> Iterator[None]:
    """Start processes, and have none left at the end of the block."""
    for one in processes:
        one.start()
    try:
        yield
    finally:
        for one in processes:
            one.kill()
            one.join()


def finish(*processes: BaseProcess) -> None:
    """Wait until processes have ended well."""
    for one in processes:
        one.join(120)
        assert one.exitcode == 0


def wait_for_lines(file: Path, count: int) -> list[str]:
    """Wait until a file has so many lines, and return all that it has."""
    deadline = time.monotonic() + 60
    while not file.exists() or len(file.read_text().splitlines()) < count:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return file.read_text().splitlines()


def contents(folder: Path) -> dict[str, bytes]:
    """Return the files below a folder, by path."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
