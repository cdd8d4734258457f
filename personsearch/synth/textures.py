"""Photographed materials: a folder of pictures of asphalt, brick, wood, cloth ..., told apart by their names."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from personsearch.errors import ConfigError
from personsearch.pictures.decode import load_image
from personsearch.synth.geometry import Array, linear

Pixels = NDArray[np.uint8]
Cell = tuple[int, int, int, int]
ENDINGS = (".jpg", ".jpeg", ".png", ".webp")
SMALLEST, LARGEST = 32, 512
"""Pictures with a shorter side below ``SMALLEST`` pixels are of no use; those above ``LARGEST`` are reduced."""

#: Kind of material: words in names, metres that a picture of it usually shows. The first kind with a fitting word wins.
_KINDS: dict[str, tuple[tuple[str, ...], float]] = {
    "unused": (("roof", "snow", "solar", "thatch"), 1.0),
    "carpet": (("carpet", "rug_", "tatami"), 1.5),
    "fabric": (("fabric", "cloth", "textile", "leather", "denim", "wool", "knit", "linen", "velvet"), 0.5),
    "gravel": (("gravel", "ground", "soil", "sand", "dirt", "chips", "leaves", "rocks"), 1.5),
    "grass": (("grass", "lawn", "moss"), 1.8),
    "brick": (("brick",), 1.3),
    "metal": (("metal", "steel", "iron", "rust", "aluminium", "diamondplate"), 1.2),
    "asphalt": (("asphalt", "road", "tarmac"), 2.5),
    "paving": (("paving", "pavement", "cobble", "slabs"), 2.0),
    "marble": (("marble", "granite", "travertine", "onyx", "terrazzo"), 1.5),
    "tile": (("tile", "porcelain", "terracotta", "ceiling"), 1.2),
    "concrete": (("concrete", "cement"), 2.2),
    "wood": (("wood", "plank", "bamboo", "parquet", "laminate", "timber", "chipboard", "cork", "oak"), 1.4),
    "stone": (("stone", "rock", "slate"), 1.8),
    "plaster": (("plaster", "stucco", "render", "putz", "paint", "wallpaper", "wall", "clay"), 2.2),
    "floor": (("floor",), 1.6),
}
_UNKNOWN_METRES = 1.2


@dataclass(frozen=True, kw_only=True)
class Texture:
    """One picture of a material, which is read when its pixels are asked for.

    Attributes:
        name: path inside the folder, with the number of the cell where the picture is a sheet.
        kind: a material, such as ``brick``; "" where the name does not tell.
        metres: width of what it shows, a guess from the kind.
        path: the file.
        cell: x, y, width, height of its part of the file in pixels; None = all of it.
    """

    name: str
    kind: str
    metres: float
    path: Path
    cell: Cell | None = None

    def pixels(self) -> Pixels:
        """Return (H, W, 4) uint8 RGBA, which repeats without a seam; not to be written to.

        Raises:
            ImageError: the file is damaged.
        """
        return _pixels(self.path, self.cell)

    def mean(self) -> Array:
        """Return the mean colour, (3,) float32 linear RGB."""
        return _mean(self.path, self.cell)


@dataclass(frozen=True, kw_only=True)
class Textures:
    """The pictures of a folder, ordered by name."""

    folder: Path
    pictures: tuple[Texture, ...]

    def of(self, kinds: Sequence[str]) -> tuple[Texture, ...]:
        """Return the pictures of the given kinds of material."""
        return tuple(picture for picture in self.pictures if picture.kind in kinds)


@lru_cache(maxsize=4)
def load_textures(folder: str | Path) -> Textures:
    """List the materials of a folder; the same folder is listed once per process.

    Any jpg, png or webp file in the folder and its subfolders is a material, told by a word such as ``brick`` in its
    name or in that of a subfolder. Where a subfolder has a file ``cells.json``, {sheet: [[x, y, width, height], ...]},
    each of these parts of ``sheet``.webp (or jpg, png) is one.

    Raises:
        ConfigError: the folder does not exist, or has no picture that can be read and is large enough.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ConfigError(
            f"randomise.textures: there is no folder {folder}; name a folder of pictures of materials, or leave it out"
        )
    found, unreadable, small = [], 0, 0
    for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS):
        try:
            with Image.open(path) as image:
                size = image.size
        except (OSError, UnidentifiedImageError, ValueError):
            unreadable += 1
            continue
        for name, cell in _cells(path, folder):
            wide, high = size if cell is None else (min(cell[2], size[0] - cell[0]), min(cell[3], size[1] - cell[1]))
            if min(wide, high) < SMALLEST:
                small += 1
                continue
            kind = kind_of(path.relative_to(folder).as_posix())
            metres = _KINDS[kind][1] if kind else _UNKNOWN_METRES
            found.append(Texture(name=name, kind=kind, metres=metres, path=path, cell=cell))
    usable = tuple(texture for texture in found if texture.kind != "unused")
    if not usable:
        raise ConfigError(
            f"randomise.textures: {folder} has no picture of a material that could be used ({unreadable} could not be "
            f"read, {small} are smaller than {SMALLEST} pixels, {len(found)} show roofs or snow); it needs jpg, png or "
            "webp pictures of asphalt, brick, wood, cloth ..."
        )
    return Textures(folder=folder, pictures=usable)


def kind_of(name: str) -> str:
    """Return the kind of material that a path inside a folder names; "" where no known word is in it.

    The file's own name counts before its folders'.
    """
    *folders, own = name.lower().split("/")
    for part in (own, *reversed(folders)):
        for kind, (words, _) in _KINDS.items():
            if any(word in part for word in words):
                return kind
    return ""


def _cells(path: Path, folder: Path) -> Iterator[tuple[str, Cell | None]]:
    """Yield the name and the part of each material in a file."""
    name, sheets = path.relative_to(folder).as_posix(), _sheets(path.parent)
    if path.stem not in sheets:
        yield name, None
        return
    for number, cell in enumerate(sheets[path.stem]):
        yield f"{name}#{number}", cell


@lru_cache(maxsize=64)
def _sheets(folder: Path) -> dict[str, list[Cell]]:
    path = folder / "cells.json"
    if not path.is_file():
        return {}
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))
        sheets = {}
        for sheet, cells in listed.items():
            whole = [tuple(int(value) for value in cell) for cell in cells]
            if any(len(cell) != 4 or min(cell) < 0 for cell in whole):
                raise ValueError(f"a cell of {sheet} is not x, y, width, height")
            sheets[sheet] = [(x, y, wide, high) for x, y, wide, high in whole]
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"randomise.textures: {path} is not of the form {{sheet: [[x, y, width, height], ...]}} ({error}); mend or "
            "remove it"
        ) from None
    return sheets


@lru_cache(maxsize=8)
def _file(path: Path) -> Pixels:
    return np.asarray(load_image(path), np.uint8)


@lru_cache(maxsize=256)
def _pixels(path: Path, cell: Cell | None) -> Pixels:
    pixels = _file(path)
    if cell is not None:
        x, y, wide, high = cell
        pixels = pixels[y : y + high, x : x + wide]
    image = Image.fromarray(np.ascontiguousarray(pixels))
    image.thumbnail((LARGEST, LARGEST), Image.Resampling.BOX)
    pixels = np.asarray(image, np.uint8)
    if not _repeats(pixels):  # mirrored in both directions, its edges meet themselves
        half = Image.fromarray(pixels).resize((-(-image.width // 2), -(-image.height // 2)), Image.Resampling.BOX)
        pixels = np.asarray(half if min(half.size) >= SMALLEST * 2 else image, np.uint8)
        pixels = np.concatenate([pixels, pixels[:, ::-1]], axis=1)
        pixels = np.concatenate([pixels, pixels[::-1]], axis=0)
    whole = np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)])
    whole.setflags(write=False)
    return whole


@lru_cache(maxsize=4096)
def _mean(path: Path, cell: Cell | None) -> Array:
    return np.asarray(linear(_pixels(path, cell)[..., :3] / 255).mean(axis=(0, 1)), np.float32)


def _repeats(pixels: Pixels) -> bool:
    """Return whether a picture's opposite edges fit together about as well as its neighbouring rows and columns do."""
    values = pixels.astype(np.float32)
    for axis in (0, 1):
        steps = np.abs(np.diff(values, axis=axis)).mean()
        seam = np.abs(np.take(values, 0, axis) - np.take(values, -1, axis)).mean()
        if seam > 1.8 * steps + 2:
            return False
    return True
