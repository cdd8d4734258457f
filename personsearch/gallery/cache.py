"""The index on disk: a cache beside the database, never more than that.

One safetensors file of plain arrays under ``index/``; FAISS's own files are never read. It is written to a temporary
name, synced and renamed; then a transaction records its sha256 in the database. So the database always names the one
cache that belongs to its present state: a file that is damaged, half written or of another state does not match and is
ignored. Losing it costs time, nothing else.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from personsearch.durable import replace_durably, sha256_of

FOLDER = "index"
SUFFIX = ".safetensors"


@dataclass(frozen=True)
class CacheNote:
    """What the database records about its cache.

    Attributes:
        sha256: of the file, 64 hex digits.
        people: number of rows in it.
        last_person: highest detection_id in it.
        deletions: the database's count of deletions when it was written.
    """

    sha256: str
    people: int
    last_person: int
    deletions: int

    def __str__(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, text: str) -> CacheNote | None:
        """Parse a note; None where the text is not one."""
        try:
            note = cls(**json.loads(text))
        except (ValueError, TypeError):
            return None
        numbers = (note.people, note.last_person, note.deletions)
        return note if isinstance(note.sha256, str) and all(isinstance(one, int) for one in numbers) else None


@dataclass(frozen=True, eq=False)
class Cached:
    """What a cache holds.

    Attributes:
        ids: (N,) int64, detection_ids, rising.
        images: (N,) int64, row number of each person's scene.
        vectors: (N, D) float16, as in the database.
        centroids: (L, D) float32 of inverted lists; None for exact search.
        lists: (N,) int32, the list of each row; None for exact search.
        nprobe: how many lists a search probes.
        recall: recall@10 measured with ``nprobe``, 0..1.
    """

    ids: NDArray[np.int64]
    images: NDArray[np.int64]
    vectors: NDArray[np.float16]
    centroids: NDArray[np.float32] | None = None
    lists: NDArray[np.int32] | None = None
    nprobe: int = 0
    recall: float = 0.0


class CacheError(Exception):
    """A cache is missing, or is not what the database expects."""


def write_cache(gallery: Path, cached: Cached, deletions: int) -> CacheNote:
    """Write a cache under its final name; it counts once the database holds the returned note.

    Args:
        gallery: the gallery's folder.
        cached: what to write.
        deletions: the database's count of deletions now.

    Raises:
        OSError: the disk is full or refuses.
    """
    folder = gallery / FOLDER
    folder.mkdir(exist_ok=True)
    temporary = folder / f"writing-{os.getpid()}"
    arrays = {"ids": cached.ids, "images": cached.images, "vectors": cached.vectors}
    if cached.centroids is not None and cached.lists is not None:
        arrays |= {"centroids": cached.centroids, "lists": cached.lists}
    # One entry, because safetensors writes several in any order, and the same cache should be the same file.
    about = {"ivf": json.dumps({"nprobe": cached.nprobe, "recall": cached.recall})}
    try:
        try:
            save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, temporary, about)
        except SafetensorError as error:
            raise OSError(str(error)) from None
        temporary.chmod(folder.stat().st_mode & 0o666)  # safetensors lets nobody else read what it writes
        sha256 = sha256_of(temporary)
        replace_durably(temporary, _path(gallery, sha256))
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return CacheNote(sha256, len(cached.ids), int(cached.ids[-1]) if len(cached.ids) else 0, deletions)


def has_cache(gallery: Path, note: CacheNote) -> bool:
    """Return whether a file of the right name exists; only reading shows whether it is whole."""
    return _path(gallery, note.sha256).exists()


def read_cache(gallery: Path, note: CacheNote) -> Cached:
    """Read the cache that the database names.

    Raises:
        CacheError: it is missing, damaged or unreadable; the message completes "the cached index is ...".
    """
    path = _path(gallery, note.sha256)
    try:
        if sha256_of(path) != note.sha256:
            raise CacheError("damaged")
        with safe_open(path, "np") as tensors:
            arrays = {name: tensors.get_tensor(name) for name in tensors.keys()}  # noqa: SIM118  # not a mapping
            about = json.loads(tensors.metadata()["ivf"])
        return Cached(**arrays, **about)
    except FileNotFoundError:
        raise CacheError("missing, or of another state of the gallery") from None
    except (OSError, SafetensorError, TypeError, KeyError, ValueError) as error:
        raise CacheError(f"unreadable ({error})") from None


def sweep(gallery: Path, keep: CacheNote | None = None) -> None:
    """Delete everything in the cache's folder except ``keep``: older caches, and what a killed process left."""
    wanted = None if keep is None else _path(gallery, keep.sha256)
    folder = gallery / FOLDER
    for path in folder.glob("*") if folder.is_dir() else ():
        if path != wanted:
            path.unlink(missing_ok=True)


def _path(gallery: Path, sha256: str) -> Path:
    return gallery / FOLDER / f"{sha256[:16]}{SUFFIX}"
