"""Writers of small, made-up sets in the official layouts; they contain none of the real sets' data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from personsearch.datasets import Dataset


def blank(path: Path, width: int = 200, height: int = 100) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (width, height), 90).save(path)
    return path


def turn(path: Path, orientation: int) -> None:
    """Write an EXIF orientation into a picture; its pixels stay as they are stored."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    with Image.open(path) as picture:
        picture.save(path, exif=exif)


def save(path: Path, key: str, value: Any) -> None:
    from scipy.io import savemat

    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, {key: value})


def cells(values: Iterable[Any], column: bool = True) -> np.ndarray[Any, Any]:
    listed = list(values)
    array = np.empty(len(listed), dtype=object)
    array[:] = listed
    return array.reshape(-1, 1) if column else array.reshape(1, -1)


def struct(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> np.ndarray[Any, Any]:
    array = np.empty((1, len(rows)), dtype=[(name, object) for name in names])
    for number, row in enumerate(rows):
        array[0, number] = tuple(row)
    return array


def write_prw(
    root: Path,
    train: Mapping[str, Any],
    test: Mapping[str, Any],
    train_ids: Sequence[int],
    test_ids: Sequence[int],
    queries: Sequence[str],
    images: bool = True,
) -> Path:
    """Write a set; ``train`` and ``test`` map frames (no suffix) to rows of id, x, y, w, h, ``queries`` are lines."""
    for split, frames in (("train", train), ("test", test)):
        save(root / f"frame_{split}.mat", f"img_index_{split}", cells(frames))
        for name, rows in frames.items():
            save(root / "annotations" / f"{name}.jpg.mat", "box_new", np.array(rows, dtype=np.float64).reshape(-1, 5))
            if images:
                blank(root / "frames" / f"{name}.jpg")
    save(root / "ID_train.mat", "ID_train", np.array([train_ids]))
    save(root / "ID_test.mat", "ID_test2", np.array([test_ids]))
    (root / "query_info.txt").write_bytes("".join(f"{line}\r\n" for line in queries).encode())
    return root


def small_prw(root: Path) -> Path:
    """Write two frames a split; people 3 and 8 are training's, 7 and 900 test's; the test frames show person 8, too."""
    return write_prw(
        root,
        train={"c1s1_000001": [[8, 10, 10, 20, 40], [-2, 50, 10, 20, 40]], "c6s1_000002": [[3, 10.5, 10, 20, 40]]},
        test={
            "c2s1_000003": [[900, 10, 10, 20, 40], [7, 60, 10, 20, 40], [8, 100, 10, 20, 40]],
            "c3s1_000004": [[7, -5, 10, 20, 40], [900, 150, 50, 80, 80], [900, 10, 10, 9, 9]],
        },
        train_ids=[8, 3],
        test_ids=[7, 900],
        queries=["900 10.000000 10.00 20 40 c2s1_000003", "7 -5 10 20 40 c3s1_000004"],
    )


Box = Sequence[int]
#: Query image and box, then the gallery's images, each with the person's box or () where they are not in it.
Asked = tuple[str, Box, Sequence[tuple[str, Box]]]


def small_box(box: Box) -> np.ndarray[Any, Any]:
    """Store a box as the official files do: in the smallest unsigned type, or empty."""
    if not len(box):
        return np.zeros((0, 0), dtype=np.uint8)
    return np.array([box], dtype=np.uint8 if max(box) < 256 else np.uint16)


def protocol(asked: Sequence[Asked]) -> np.ndarray[Any, Any]:
    rows = []
    for number, (name, box, gallery) in enumerate(asked):
        query = struct(("imname", "idlocate", "ishard", "idname"), [(name, small_box(box), 0, f"p{number + 1}")])
        rows.append((query, struct(("imname", "idlocate", "ishard"), [(n, small_box(b), 0) for n, b in gallery])))
    return struct(("Query", "Gallery"), rows)


def write_cuhk(
    root: Path,
    images: Mapping[str, Sequence[Box]],
    pool: Sequence[str],
    train: Sequence[Sequence[tuple[str, Box]]],
    protocols: Mapping[str, tuple[str, Sequence[Asked]]],
) -> Path:
    """Write a set; ``protocols`` maps a file below annotation/test to its key and queries."""
    folder = root / "annotation"
    listed = [
        (name, len(boxes), struct(("idlocate", "ishard"), [(np.array([box], dtype=np.int32), 0) for box in boxes]))
        for name, boxes in images.items()
    ]
    save(folder / "Images.mat", "Img", struct(("imname", "nAppear", "box"), listed))
    save(folder / "pool.mat", "pool", cells(pool))
    people = [
        struct(
            ("idname", "nAppear", "scene"),
            [(f"p{n}", len(s), struct(("imname", "idlocate", "ishard"), [(i, small_box(b), 0) for i, b in s]))],
        )
        for n, s in enumerate(train)
    ]
    save(folder / "test" / "train_test" / "Train.mat", "Train", cells(people))
    for name, (key, asked) in protocols.items():
        save(folder / "test" / name, key, protocol(asked))
    return root


def small_cuhk(root: Path) -> Path:
    """Write two training images, five in the pool and two queries; only a subset's list names a third person."""
    a, b, c = (200, 10, 100, 80), (10, 10, 30, 60), (60, 10, 30, 60)
    asked: list[Asked] = [
        ("s3.jpg", a, [("s4.jpg", b), ("s5.jpg", ()), ("s6.jpg", ())]),
        ("s4.jpg", c, [("s5.jpg", b), ("s5.jpg", b), ("s4.jpg", c), ("s3.jpg", ())]),
    ]
    images = {
        "s2.jpg": [b, c],
        "s1.jpg": [b, (60, 10, 0, 60)],
        "s3.jpg": [a, b],
        "s4.jpg": [b, c],
        "s5.jpg": [b, c],
        "s6.jpg": [c],
        "s7.jpg": [(1, 1, 400, 60)],
    }
    write_cuhk(
        root,
        images,
        ["s4.jpg", "s3.jpg", "s5.jpg", "s6.jpg", "s7.jpg"],
        [[("s1.jpg", b), ("s2.jpg", c)], [("s2.jpg", b), ("s1.jpg", (9, 9, 9, 9))]],
        {
            "train_test/TestG50.mat": ("TestG50", asked),
            "train_test/TestG100.mat": ("TestG100", [asked[0], (*asked[1][:2], [*asked[1][2], ("s7.jpg", ())])]),
            "subset/Occlusion.mat": ("Occlusion1", [asked[1]]),
            "subset/Resolution.mat": ("Test_Size", [("s6.jpg", c, [("s5.jpg", c), ("s3.jpg", ())])]),
        },
    )
    for name in images:
        blank(root / "Image" / "SSM" / name, 300, 100)
    return root


SEQINFO = """[Sequence]
name={name}
imDir=img1
frameRate=10
seqLength={length}
imWidth=200
imHeight=100
imExt=.jpg
"""


def write_mot(folder: Path, lines: Sequence[str], length: int = 3) -> Path:
    (folder / "gt").mkdir(parents=True)
    (folder / "gt" / "gt.txt").write_text("".join(f"{line}\n" for line in lines))
    (folder / "seqinfo.ini").write_text(SEQINFO.format(name=folder.name, length=length))
    for frame in range(1, length + 1):
        blank(folder / "img1" / f"{frame:06d}.jpg")
    return folder


def balanced(dataset: Dataset) -> bool:
    account = dataset.accounting
    boxes = sum(len(scene.boxes) for scene in dataset.scenes)
    return account.kept == boxes and account.rows == boxes + sum(account.dropped.values()) + len(account.skipped)
