"""Pictures of stored people, cut out of their scenes, and a small memory of them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future

from PIL import Image

from personsearch.errors import ImageError
from personsearch.pictures.matches import scene_loaders
from personsearch.pictures.saving import jpeg_bytes
from personsearch.pictures.video import video_of
from personsearch.results import Sighting
from personsearch.serve.faults import Refused

#: Bytes of crops that are remembered.
MOST_BYTES = 48 * 2**20
#: Detections whose pictures are expected to be asked for together.
MOST_EXPECTED = 4000
#: People who are cut out for one request.
MOST_TOGETHER = 24
#: Scenes that are decoded at once; each of them needs up to 300 MB.
MOST_DECODING = 2
#: Share of a person's height that is shown around the box.
MARGIN = 0.06
QUALITY = 88

Loader = Callable[[Sequence[Sighting]], Sequence[Callable[[], Image.Image]]]


def is_there(sighting: Sighting) -> bool:
    """Whether the scene of a sighting was indexed from a file that its content is known of."""
    extra = sighting.extra
    return isinstance(extra.get("path"), str) and isinstance(extra.get("sha256"), str)


def cut_out(scene: Image.Image, box: tuple[float, float, float, float], height: int) -> Image.Image:
    """Cut a person out of a scene with a little around them.

    Args:
        scene: upright.
        box: x1, y1, x2, y2 in pixels of the scene.
        height: of the picture, pixels; a person who is smaller in the scene is not magnified.

    Example:
        >>> cut_out(Image.new("RGB", (200, 200)), (50, 50, 100, 150), 64).size
        (35, 64)
    """
    margin = MARGIN * (box[3] - box[1])
    left, top = max(0, round(box[0] - margin)), max(0, round(box[1] - margin))
    right, bottom = min(scene.width, round(box[2] + margin)), min(scene.height, round(box[3] + margin))
    left, top = min(left, scene.width - 1), min(top, scene.height - 1)
    crop = scene.crop((left, top, max(right, left + 1), max(bottom, top + 1)))
    if crop.height <= height:
        return crop
    return crop.resize((max(1, round(crop.width * height / crop.height)), height), Image.Resampling.LANCZOS)


class Crops:
    """Cuts people out of scenes; who is asked for together is cut out together.

    A page shows fifty matches and asks for each picture by itself. All of one scene are cut out when it is decoded for
    the first of them, and all frames of one video are looked for in one pass. What is remembered is keyed by
    detection_id, and is asked for only after the gallery said that this detection is still there.
    """

    def __init__(self, load: Loader = scene_loaders, most_bytes: int = MOST_BYTES) -> None:
        self._load = load
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._decoding = threading.Semaphore(MOST_DECODING)
        self._crops: OrderedDict[tuple[int, int], bytes] = OrderedDict()
        self._bytes = 0
        self._beside: OrderedDict[int, tuple[int, ...]] = OrderedDict()
        self._running: dict[tuple[str, int], Future[None]] = {}

    def expect(self, sightings: Iterable[Sighting]) -> None:
        """Say whose pictures will be asked for together."""
        by_source: dict[str, list[int]] = {}
        for one in sightings:
            if is_there(one):
                by_source.setdefault(_source(one), []).append(one.detection_id)
        with self._lock:
            for ids in by_source.values():
                for number in ids:
                    self._beside[number] = tuple(ids)
                    self._beside.move_to_end(number)
            while len(self._beside) > MOST_EXPECTED:
                self._beside.popitem(last=False)

    def forget(self, detection_ids: Iterable[int] | None = None) -> None:
        """Forget the pictures of some detections; None = of all."""
        with self._lock:
            gone = None if detection_ids is None else set(detection_ids)
            for key in [key for key in self._crops if gone is None or key[0] in gone]:
                self._bytes -= len(self._crops.pop(key))
            for number in [*self._beside] if gone is None else gone:
                self._beside.pop(number, None)

    def crop(self, sighting: Sighting, height: int, others: Callable[[Sequence[int]], Sequence[Sighting]]) -> bytes:
        """Return the JPEG of a person.

        Args:
            sighting: as the gallery has it now.
            height: of the picture at most, pixels.
            others: what the gallery has of other detections now; those that are gone are absent.

        Raises:
            Refused: the scene is gone, or is another one now.
        """
        key = (sighting.detection_id, height)
        while True:
            with self._lock:
                if key in self._crops:
                    self._crops.move_to_end(key)
                    return self._crops[key]
                job = (_source(sighting), height)
                running = self._running.get(job)
                if running is None:
                    mine = self._running[job] = Future()
                    beside = self._beside.get(sighting.detection_id, (sighting.detection_id,))
                    place = beside.index(sighting.detection_id)
                    missing = [one for one in beside[place:] + beside[:place] if (one, height) not in self._crops]
            if running is not None:
                running.result()  # somebody cuts out others of the same scene or video: then look again
                continue
            try:
                together = others([one for one in missing[:MOST_TOGETHER] if one != sighting.detection_id])
                return self._cut(sighting, height, together)
            finally:
                with self._lock:
                    self._running.pop(job, None)
                mine.set_result(None)

    def scene(self, sighting: Sighting, width: int) -> tuple[bytes, tuple[int, int]]:
        """Return the JPEG of the scene of a sighting, and the scene's own width and height.

        Args:
            sighting: as the gallery has it now.
            width: of the picture at most, pixels.

        Raises:
            Refused: the scene is gone, or is another one now.
        """
        with self._decoding:
            [load] = self._loaders([sighting])
            picture = _loaded(load, sighting)
            size = picture.size
            if picture.width > width:
                height = max(1, round(picture.height * width / picture.width))
                picture = picture.resize((width, height), Image.Resampling.LANCZOS)
            return jpeg_bytes(picture, QUALITY), size

    def _cut(self, wanted: Sighting, height: int, others: Sequence[Sighting]) -> bytes:
        """Cut out a person, and whoever is of the same scene or video."""
        source = _source(wanted)
        everybody = [wanted, *(one for one in others if is_there(one) and _source(one) == source)]
        by_scene: dict[str, list[Sighting]] = {}
        for one in everybody:
            by_scene.setdefault(one.image_id, []).append(one)
        names = list(by_scene)
        data = b""
        with self._decoding:
            for name, load in zip(names, self._loaders([by_scene[name][0] for name in names]), strict=True):
                try:
                    scene = _loaded(load, by_scene[name][0])
                except Refused:
                    if name == wanted.image_id:
                        raise
                    continue
                for one in by_scene[name]:
                    crop = jpeg_bytes(cut_out(scene, one.box, height), QUALITY)
                    self._remember(one.detection_id, height, crop)
                    if one.detection_id == wanted.detection_id:
                        data = crop
        return data

    def _loaders(self, sightings: Sequence[Sighting]) -> Sequence[Callable[[], Image.Image]]:
        for one in sightings[:1]:
            if not is_there(one):
                raise Refused(404, f"the picture of detection {one.detection_id} cannot be had: {_UNKNOWN}")
        return self._load(sightings)

    def _remember(self, detection_id: int, height: int, data: bytes) -> None:
        with self._lock:
            key = (detection_id, height)
            self._bytes += len(data) - len(self._crops.pop(key, b""))
            self._crops[key] = data
            while self._bytes > self._most_bytes and self._crops:
                self._bytes -= len(self._crops.popitem(last=False)[1])


_UNKNOWN = "its scene was not stored from a file, or without its sha256"


def _loaded(load: Callable[[], Image.Image], sighting: Sighting) -> Image.Image:
    try:
        return load()
    except ImageError:  # its message has a path
        raise Refused(
            404,
            f"the picture of detection {sighting.detection_id} is gone, or has changed since it was indexed",
        ) from None


def _source(sighting: Sighting) -> str:
    """Return what is opened for a sighting: a video, or a scene."""
    return video_of(sighting.image_id) or sighting.image_id
