"""The pictures of scenes: read and checked, and what becomes of those that cannot be used."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from personsearch.datasets import Scene
from personsearch.datasets.scene import check_size
from personsearch.errors import DatasetError, PersonSearchError
from personsearch.pictures.decode import load_image
from personsearch.process import available_cores
from personsearch.progress import Progress
from personsearch.train.augment import Image8

logger = logging.getLogger(__name__)

#: Training stops when more than this share of the pictures cannot be used, whatever ``data.skip_bad`` says.
MOST_LEFT_OUT = 0.5
_NAMED = 5


@dataclass(frozen=True)
class Unusable:
    """A picture that training cannot use.

    Attributes:
        image_id: of its scene.
        why: names the file and what is wrong with it.
    """

    image_id: str
    why: str


def read_scene(scene: Scene) -> Image8:
    """Decode the picture of a scene, upright: (H, W, 3) uint8 RGB of the annotated size.

    Raises:
        ImageError: it cannot be read.
        DatasetError: it has another size than the annotations say.
    """
    image = load_image(scene.path)
    check_size(scene, image.shape[1], image.shape[0])
    return image


def find_unusable(scenes: Sequence[Scene], *, progress: bool | None = None) -> list[Unusable]:
    """Read the pictures of all scenes, several at once, and return those that cannot be used.

    Args:
        scenes: in any order, which the answer follows.
        progress: None = a bar on a terminal, True = always a bar, False = silence.
    """
    found: list[Unusable] = []
    pool = ThreadPoolExecutor(available_cores(), thread_name_prefix="personsearch-read")
    try:
        with Progress(total=len(scenes), label="reading every picture", shown=progress) as bar:
            for one in pool.map(_try_to_read, scenes):
                if one is not None:
                    found.append(one)
                bar.advance()
    finally:
        pool.shutdown(cancel_futures=True)
    return found


def _try_to_read(scene: Scene) -> Unusable | None:
    try:
        read_scene(scene)
    except PersonSearchError as error:
        return Unusable(scene.image_id, str(error))
    return None


def refusal(unusable: Unusable) -> DatasetError:
    """Return the error about a picture that may not be left out."""
    return DatasetError(
        f"{unusable.why}. Mend or remove it, or let training leave out what cannot be used: data.skip_bad=true. "
        "--dry-run reads every picture and names all of them"
    )


@dataclass
class LeftOut:
    """The pictures that a run has left out, and how often.

    Attributes:
        why: image_id -> what is wrong with it.
        new: those of ``why`` that this process has not shared yet.
        samples: number of samples left out by this process since the last row of metrics.
    """

    why: dict[str, str] = field(default_factory=dict)
    new: dict[str, str] = field(default_factory=dict)
    samples: int = 0

    def note(self, unusable: Sequence[Unusable]) -> None:
        """Take in what a part of a batch lacks."""
        self.samples += len(unusable)
        self.new.update({one.image_id: one.why for one in unusable if one.image_id not in self.why})

    def share(self, news: Sequence[Mapping[str, str]], *, of: int) -> None:
        """Take in what all processes met since the last call, so that every process knows the same.

        Args:
            news: of each process, its :attr:`new`.
            of: number of the pictures to train on.

        Raises:
            DatasetError: too many cannot be used.
        """
        for one in news:
            for image_id, why in one.items():
                if image_id not in self.why:
                    logger.warning("left out: %s", why)
                    self.why[image_id] = why
        self.new, self.samples = {}, 0
        require_most(self.why, of)

    def summary(self) -> str:
        """Return in a sentence how many pictures were left out, and the first of them."""
        return (
            f"{len(self.why)} picture{'s' * (len(self.why) != 1)} could not be used and "
            f"{'were' if len(self.why) != 1 else 'was'} left out: {listed(self.why)}"
        )


def require_most(left_out: Collection[str], of: int) -> None:
    """Refuse to go on without most of the pictures.

    Args:
        left_out: image_ids of pictures that cannot be used.
        of: number of all pictures.

    Raises:
        DatasetError: more than half of them cannot be used.
    """
    if len(left_out) > MOST_LEFT_OUT * of:
        raise DatasetError(
            f"{len(left_out)} of {of} pictures cannot be used, {listed(left_out)}: too many to leave out; check where "
            "the images are (data.images), and that they are those of the annotations"
        )


def listed(names: Collection[str]) -> str:
    """Return the first few names, and how many more there are."""
    more = len(names) - _NAMED
    return ", ".join([*names][:_NAMED]) + (f" and {more} more" if more > 0 else "")
