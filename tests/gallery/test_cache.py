import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from personsearch.gallery.cache import Cached, CacheError, CacheNote, has_cache, read_cache, sweep, write_cache

EXACT = Cached(
    ids=np.array([2, 3, 9]), images=np.array([1, 1, 4]), vectors=np.arange(12, dtype=np.float16).reshape(3, 4)
)
LISTS = replace(
    EXACT,
    centroids=np.eye(2, 4, dtype=np.float32),
    lists=np.array([1, 0, 1], dtype=np.int32),
    nprobe=2,
    recall=0.985,
)


@pytest.mark.parametrize("cached", [EXACT, LISTS], ids=["exact", "inverted lists"])
def test_what_is_written_is_read(cached: Cached, tmp_path: Path) -> None:
    note = write_cache(tmp_path, cached, deletions=5)
    assert (note.people, note.last_person, note.deletions) == (3, 9, 5)
    assert has_cache(tmp_path, note)
    read = read_cache(tmp_path, note)
    for name in ("ids", "images", "vectors", "centroids", "lists"):
        written, again = getattr(cached, name), getattr(read, name)
        if written is None:
            assert again is None
        else:
            assert (again.dtype, again.tolist()) == (written.dtype, written.tolist())
    assert (read.nprobe, read.recall) == (cached.nprobe, cached.recall)


def test_the_same_cache_is_the_same_file(tmp_path: Path) -> None:
    notes = {str(write_cache(tmp_path, LISTS, deletions=0)) for _ in range(5)}
    assert len(notes) == 1
    assert len(list((tmp_path / "index").iterdir())) == 1


def test_an_empty_cache(tmp_path: Path) -> None:
    empty = Cached(ids=EXACT.ids[:0], images=EXACT.images[:0], vectors=EXACT.vectors[:0])
    note = write_cache(tmp_path, empty, deletions=0)
    assert (note.people, note.last_person) == (0, 0)
    assert read_cache(tmp_path, note).vectors.shape == (0, 4)


def test_a_cache_that_is_missing_or_of_another_state(tmp_path: Path) -> None:
    note = write_cache(tmp_path, EXACT, deletions=0)
    other = replace(note, sha256="0" * 64)
    assert not has_cache(tmp_path, other)
    with pytest.raises(CacheError, match="missing, or of another state"):
        read_cache(tmp_path, other)


def test_sweeping_leaves_one_cache_or_none(tmp_path: Path) -> None:
    sweep(tmp_path)  # there is no folder yet
    write_cache(tmp_path, LISTS, deletions=0)
    note = write_cache(tmp_path, EXACT, deletions=0)
    (tmp_path / "index" / "writing-77").write_bytes(b"half a file")
    sweep(tmp_path, keep=note)
    assert [path.stem for path in (tmp_path / "index").iterdir()] == [note.sha256[:16]]
    assert read_cache(tmp_path, note).ids.tolist() == [2, 3, 9]
    sweep(tmp_path)
    assert list((tmp_path / "index").iterdir()) == []


def test_text_that_is_not_a_note() -> None:
    note = CacheNote("ab" * 32, 3, 9, 1)
    assert CacheNote.parse(str(note)) == note
    for text in ("", "nonsense", "[]", "{}", '{"sha256": 3}', str(note).replace("9", '"9"')):
        assert CacheNote.parse(text) is None


def test_a_file_with_the_right_hash_and_the_wrong_content(tmp_path: Path) -> None:
    (tmp_path / "index").mkdir()
    sha256 = hashlib.sha256(b"no tensors").hexdigest()
    (tmp_path / "index" / f"{sha256[:16]}.safetensors").write_bytes(b"no tensors")
    with pytest.raises(CacheError, match="unreadable"):
        read_cache(tmp_path, CacheNote(sha256, 1, 1, 0))
