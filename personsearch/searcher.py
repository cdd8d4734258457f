"""``PersonSearcher``: images in, results out."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from personsearch.boxes import checked_boxes
from personsearch.calibration import Calibration
from personsearch.device import choose_device
from personsearch.errors import ConfigError, ImageError, WeightsError, WeightsMismatchError
from personsearch.fast import FastNetwork
from personsearch.gallery import Gallery
from personsearch.gallery.known import Known, known, require_one_kind
from personsearch.gallery.searching import Combine
from personsearch.given import BoxSource, DetectionsFile, Detector, Found
from personsearch.indexing.box_names import check_box_names
from personsearch.indexing.scenes import index_sources, log_report
from personsearch.indexing.tracks import index_tracks
from personsearch.listing import check_gallery
from personsearch.models import PersonSearchNetwork
from personsearch.other_detectors import boxes_of_list, boxes_of_one, detect_given
from personsearch.pictures.decode import ChannelOrder, ImageInput, describe
from personsearch.progress import Progress
from personsearch.queries import QueryInput, find_person, pictures_of
from personsearch.results import Detections, Floats, IndexReport, Matches, QueryPerson, Spec
from personsearch.runner import GivenBoxes, Runner, Settings
from personsearch.sources import Sources
from personsearch.weights.files import fingerprint, save_folder
from personsearch.weights.hub import HubOptions, publish
from personsearch.weights.registry import DEFAULT, load_again, load_weights


class PersonSearcher:
    """Finds and embeds people in images, and searches galleries of them.

    Make one with :meth:`from_pretrained`. Boxes are always xyxy float32 pixels of the original, upright image.
    """

    def __init__(
        self,
        network: PersonSearchNetwork,
        *,
        spec: Spec | None = None,
        calibration: Calibration | None = None,
        device: str | torch.device | None = None,
        dtype: str | None = None,
        fast: bool = False,
        compile: bool = False,
        fast_decode: bool = False,
    ) -> None:
        """Wrap a network that is already built.

        Args:
            network: switched to evaluation mode and moved.
            spec: of its weights; by default computed from them.
            calibration: of its weights: what their similarities mean.
            device: default cuda, then mps, then cpu.
            dtype: ``"float16"``, ``"bfloat16"`` or ``"float32"``; default float16 on cuda, float32 elsewhere.
            fast: take the network over for the fast path, which computes the same: its layers are folded in place, so
                that it can be neither used, trained nor saved any more.
            compile: see :meth:`from_pretrained`; needs ``fast``.
            fast_decode: see :meth:`from_pretrained`.

        Raises:
            ConfigError: the dtype is none of these, or nothing can be compiled here.
            WeightsMismatchError: the calibration belongs to other weights.
        """
        if spec is None:
            spec = Spec(
                name="custom",
                fingerprint=fingerprint(network.config, network.state_dict()),
                embedding_size=network.config.embedding_size,
            )
        self._runner = Runner(network, device, dtype, fast=fast, compile=compile, fast_decode=fast_decode)
        self._hub_options: HubOptions | None = None  # None = the weights were not loaded by name
        self.spec = replace(spec, fast_decode=fast_decode)
        if calibration is not None and calibration.weights != spec.fingerprint:
            raise WeightsMismatchError(
                f"the calibration belongs to weights {calibration.weights[:12]}, not to {spec.name} "
                f"({spec.fingerprint[:12]}); calibrate these weights"
            )
        self.calibration = calibration
        self.config = network.config

    @property
    def network(self) -> PersonSearchNetwork | FastNetwork:
        """The network itself, on its device, in evaluation mode; with ``fast``, what it was made into."""
        return self._runner.network

    @property
    def device(self) -> torch.device:
        """Where the network computes."""
        return self._runner.device

    @property
    def dtype(self) -> torch.dtype:
        """What the network computes in."""
        return self._runner.dtype

    @classmethod
    def from_pretrained(
        cls,
        name: str | os.PathLike[str] = DEFAULT,
        *,
        revision: str | None = None,
        device: str | torch.device | None = None,
        dtype: str | None = None,
        fast: bool = True,
        compile: bool = False,
        fast_decode: bool = False,
        cache_dir: str | os.PathLike[str] | None = None,
        local_files_only: bool = False,
        token: str | None = None,
    ) -> PersonSearcher:
        """Load weights.

        Args:
            name: an entry of ``weights.toml``; ``org/repo[@revision]`` or ``hf://org/repo[@revision]`` on the Hugging
                Face Hub; or a folder: a ``Path``, or a string that begins with ``.``, ``/`` or ``~``.
            revision: of a Hub repository.
            device: see the constructor.
            dtype: see the constructor.
            fast: compute by the fast path. It does less work than the reference, which is as the paper describes it,
                and gives the same results up to rounding; False is for comparing them, and for a network that is to be
                worked with.
            compile: have torch.compile make the dense parts faster yet. The first picture of every canvas size then
                takes a minute, and the log says so; needs a C++ compiler on a CPU.
            fast_decode: decode JPEGs at 1/2, 1/4 or 1/8 of their size where that is still at least as large as the
                network will see them: large pictures are ready in about two thirds of the time, with slightly other
                pixels. A gallery records it, and refuses a searcher that decodes otherwise.
            cache_dir: where the Hub's files are kept.
            local_files_only: never touch the network.
            token: of the Hub.

        Raises:
            ConfigError: the name is malformed or ambiguous, a revision is given where none belongs, the device is not
                there, or a configuration has a wrong key.
            WeightsNotFoundError: nothing has that name, or it cannot be downloaded.
            WeightsMismatchError: keys, shapes or hash are wrong.

        Example:
            >>> searcher = PersonSearcher.from_pretrained(device="cpu")
            >>> searcher.spec.name
            'stl-mrfp-small'
        """
        device = choose_device(device)  # refused before anything is downloaded
        options = HubOptions(cache_dir=cache_dir, local_files_only=local_files_only, token=token)
        loaded = load_weights(name, revision=revision, options=options)
        searcher = cls(
            loaded.network,
            spec=loaded.spec,
            calibration=loaded.calibration,
            device=device,
            dtype=dtype,
            fast=fast,
            compile=compile,
            fast_decode=fast_decode,
        )
        searcher._hub_options = options
        return searcher

    def save_pretrained(self, folder: str | os.PathLike[str]) -> Path:
        """Write ``config.json`` and ``model.safetensors``, in the dtype this searcher computes in.

        A calibration is written too. Rounding to another dtype gives other weights their own fingerprint but moves
        similarities by less than a calibration's intervals, so it stays valid.

        The fast path has no such weights, so those that were loaded are read again.

        Returns:
            The folder, which :meth:`from_pretrained` opens.

        Raises:
            WeightsError: the weights are not where they were loaded from, or the fast path took over a network that was
                loaded from nowhere.

        Example:
            >>> folder = searcher.save_pretrained("weights")
            >>> sorted(path.name for path in folder.iterdir())
            ['calibration.json', 'config.json', 'model.safetensors']
            >>> again = PersonSearcher.from_pretrained("./weights")
        """
        tensors = self._tensors()
        return save_folder(Path(folder), self.config, tensors, calibration=self._calibration_of(tensors))

    def _tensors(self) -> dict[str, Tensor]:
        """Return the weights in the dtype this searcher computes in."""
        if isinstance(self.network, PersonSearchNetwork):
            return self.network.state_dict()
        if self._hub_options is None:
            raise WeightsError(
                "the fast path took this network over, which was loaded from nowhere, so there are no weights left to "
                "save; save the network before, or leave fast=True out"
            )
        return load_again(self.spec, self._hub_options).network.set_dtype(self.dtype).state_dict()

    def _calibration_of(self, tensors: dict[str, Tensor]) -> Calibration | None:
        """Return the calibration with the fingerprint of the tensors in the dtype they are stored in."""
        if self.calibration is None:
            return None
        return replace(self.calibration, weights=fingerprint(self.config, tensors))

    def push_to_hub(
        self,
        repo_id: str,
        *,
        license: str,
        train_data: str,
        metrics: Mapping[str, float] | None = None,
        private: bool | None = None,
        token: str | None = None,
        branch: str | None = None,
        create_pr: bool = False,
        commit_message: str = "Upload weights with personsearch",
    ) -> str:
        """Publish the weights on the Hugging Face Hub in one commit.

        A model card is written where the repository has none; an existing one stays as it is.

        Args:
            repo_id: ``org/repo``, made if need be.
            license: SPDX identifier of the weights; those trained on research-only data inherit its terms.
            train_data: what they were trained on, in words.
            metrics: figure -> fraction, for the card.
            private: of a new repository.
            token: default the one of ``hf auth login``.
            branch: default ``main``.
            create_pr: open a pull request instead of committing.
            commit_message: of the commit.

        Returns:
            The commit, 40 hex digits: ``from_pretrained(f"{repo_id}@{commit}")`` is pinned to it.

        Raises:
            WeightsError: the Hub refused or cannot be reached.
        """
        tensors = self._tensors()
        return publish(
            repo_id,
            self.config,
            tensors,
            calibration=self._calibration_of(tensors),
            license=license,
            train_data=train_data,
            metrics=metrics,
            private=private,
            token=token,
            branch=branch,
            create_pr=create_pr,
            commit_message=commit_message,
        )

    @overload
    def detect(  # type: ignore[overload-overlap]  # a str is one image, though a sequence too
        self,
        images: ImageInput,
        *,
        threshold: float | None = ...,
        max_people: int | None = ...,
        batch_size: int = ...,
        progress: bool | None = ...,
        channel_order: ChannelOrder = ...,
        boxes: Found | Detector | None = ...,
    ) -> Detections: ...

    @overload
    def detect(
        self,
        images: Sequence[ImageInput],
        *,
        threshold: float | None = ...,
        max_people: int | None = ...,
        batch_size: int = ...,
        progress: bool | None = ...,
        channel_order: ChannelOrder = ...,
        boxes: Sequence[Found] | Detector | None = ...,
    ) -> list[Detections]: ...

    def detect(
        self,
        images: ImageInput | Sequence[ImageInput],
        *,
        threshold: float | None = None,
        max_people: int | None = None,
        batch_size: int = 8,
        progress: bool | None = None,
        channel_order: ChannelOrder = "RGB",
        boxes: Found | Detector | None = None,
    ) -> Detections | list[Detections]:
        """Find and embed everybody in one image or in a list.

        Args:
            images: one input (see ``personsearch.pictures.decode.ImageInput``), or a list or tuple of them.
            threshold: lowest detector score, 0..1; default the weights' own.
            max_people: people per image at most; default the weights' own (100).
            batch_size: images of one canvas size that go through the network together.
            progress: None = a bar on a terminal for lists.
            channel_order: of arrays and tensors.
            boxes: who is in the images, in place of our detector, which does not run then: for one image its boxes, for
                a list a list of them, or a function of a picture, (H, W, 3) uint8 RGB, upright and whole, that returns
                them. What boxes may be: :data:`personsearch.given.Found`, and docs/other-detectors.md. They are
                embedded as by :meth:`embed_boxes`; ``threshold`` and ``max_people`` apply to their scores, and by
                default everybody is kept.

        Returns:
            Detections for one image, a list of them for a list, also one of length 1.

        Raises:
            ConfigError: a value is out of range.
            ImageError: an input or its boxes cannot be used; for a list the message gives its position.

        Example:
            >>> detections = searcher.detect(query)
            >>> detections.boxes.shape[1], detections.embeddings.shape[1]
            (4, 512)
            >>> [one.image_size for one in searcher.detect([query, query], max_people=3)]
            [(640, 960), (640, 960)]
            >>> given = searcher.detect(query, boxes={"boxes": [box], "scores": [0.9]})  # somebody else's detector
            >>> bool((given.embeddings == searcher.embed_boxes(query, [box])).all())
            True
        """
        settings = Settings(threshold, max_people, batch_size)
        if not isinstance(images, (list, tuple)):
            source = None if boxes is None else boxes_of_one(boxes)
            keep = source is not None and source.wants_pixels
            one = [self._runner.ready(cast(ImageInput, images), channel_order, keep_pixels=keep)]
            if source is not None:
                return next(detect_given(self._runner, one, source, settings, numbered=False))
            return next(self._runner.detect(one, settings))
        source = None if boxes is None else boxes_of_list(boxes, len(images))
        results = []
        with Progress(total=len(images), label="detect", shown=progress) as bar:
            for detections in self._each(images, channel_order, settings, source):
                results.append(detections)
                bar.advance()
        return results

    def _each(
        self, images: Iterable[ImageInput], channel_order: ChannelOrder, settings: Settings, source: BoxSource | None
    ) -> Iterator[Detections]:
        """Yield the detections of each image in order, of our detector or at the boxes of a source."""
        if source is None:
            return self._runner.detect(self._runner.all_ready(images, channel_order, settings.batch_size), settings)
        keep = source.wants_pixels  # whole pictures are large, and their detector is what takes the time
        prepared = self._runner.all_ready(images, channel_order, 1 if keep else settings.batch_size, keep_pixels=keep)
        return detect_given(self._runner, prepared, source, settings)

    def stream(
        self,
        images: Iterable[ImageInput],
        *,
        batch_size: int = 8,
        channel_order: ChannelOrder = "RGB",
        boxes: Detector | None = None,
    ) -> Iterator[Detections]:
        """Yield the detections of each image in order, holding a few batches at a time.

        Images are decoded in threads while the network computes.

        Args:
            images: any iterable of inputs, also an endless one; taken as results are asked for.
            batch_size: images of one canvas size that go through the network together.
            channel_order: of arrays and tensors.
            boxes: a function of a picture that returns who is in it, in place of our detector; see :meth:`detect`.

        Raises:
            ConfigError: ``boxes`` is no function.
            ImageError: an input cannot be used; the message gives its position.

        Example:
            >>> for detections in searcher.stream(["photos/0.jpg", "photos/1.jpg"]):
            ...     print(detections.image_id, detections.image_size)
            photos/0.jpg (96, 160)
            photos/1.jpg (96, 160)
        """
        if boxes is not None and not callable(boxes):
            raise ConfigError(f"boxes of a stream must be a function of a picture, got a {type(boxes).__name__}")
        source = None if boxes is None else BoxSource(boxes)
        return self._each(images, channel_order, Settings(batch_size=batch_size), source)

    def find_query(
        self, image: ImageInput, box: Sequence[float] | None = None, *, channel_order: ChannelOrder = "RGB"
    ) -> QueryPerson:
        """Find and embed the person to search for.

        A picture that is itself one person, cut out of a scene beforehand, is taken as a whole: one whose best
        detection fills it, at the size that people have in scenes; and a small one, 1.6 to 4.5 times as tall as wide,
        in which nobody is detected. Its embedding is that of :meth:`embed_crops`.

        Args:
            image: the scene the person is in, which gives a little more than a crop; or a picture of the person.
            box: x1, y1, x2, y2 in pixels; default the picture if it is one person, else the detection with the highest
                score. A box of the whole picture says that the picture is one person.
            channel_order: of an array or tensor.

        Returns:
            The person's box, embedding and score, and whether the picture was taken as a whole.

        Raises:
            ImageError: the box is outside the image, has no area or is given in fractions; or there is no box and
                nobody is detected.

        Example:
            >>> person = searcher.find_query(query)  # whom a search without a box is for
            >>> 0.9 < person.score <= 1, person.embedding.shape
            (True, (512,))
            >>> from PIL import Image
            >>> searcher.find_query(Image.open(query).crop(box)).whole_picture
            True
            >>> matches = gallery.search(person.embedding, k=3)
            >>> personsearch.draw_matches(query, person.box, matches).save("matches.png")
        """
        return find_person(self._runner, image, box, channel_order)

    def embed_query(
        self, image: ImageInput, box: Sequence[float] | None = None, *, channel_order: ChannelOrder = "RGB"
    ) -> Floats:
        """Return the embedding (D,) float32, unit length, of the person to search for; see :meth:`find_query`.

        Example:
            >>> searcher.embed_query(query, box).shape
            (512,)
        """
        return self.find_query(image, box, channel_order=channel_order).embedding

    def embed_boxes(
        self,
        image: ImageInput,
        boxes: Sequence[Sequence[float]] | NDArray[Any],
        *,
        channel_order: ChannelOrder = "RGB",
    ) -> Floats:
        """Embed given boxes of one scene.

        Args:
            image: the scene.
            boxes: (N, 4) xyxy pixels of the original image; clipped to it.
            channel_order: of arrays and tensors.

        Returns:
            (N, D) float32, unit length.

        Raises:
            ImageError: a box is not finite or has no area inside the image.

        Example:
            >>> searcher.embed_boxes(query, [box, (20, 300, 200, 640)]).shape
            (2, 512)
        """
        ready = self._runner.ready(image, channel_order)
        checked = checked_boxes(boxes, ready.canvas.image_size, describe(image))
        if not len(checked):
            return np.zeros((0, self.spec.embedding_size), dtype=np.float32)
        return self._runner.embed(ready, checked)

    def embed_crops(
        self,
        images: Sequence[ImageInput],
        *,
        channel_order: ChannelOrder = "RGB",
        batch_size: int = 32,
        progress: bool | None = None,
    ) -> Floats:
        """Embed pictures that each show one person, cut out of a scene beforehand.

        Each picture is shown to the network at the height that people have in training scenes, its edge pixels repeated
        around it, and the picture is the box. Where the scene is at hand, :meth:`embed_boxes` with the person's box in
        it is a little better: ``benchmarks/crop_queries.py`` measures both.

        Args:
            images: list of pictures (see ``personsearch.pictures.decode.ImageInput``).
            channel_order: of arrays and tensors.
            batch_size: pictures of one canvas size that go through the network together.
            progress: None = a bar on a terminal.

        Returns:
            (N, D) float32, unit length.

        Raises:
            ConfigError: ``batch_size`` is out of range.
            ImageError: a picture cannot be used, and the message gives its position; or ``images`` is no list.

        Example:
            >>> from PIL import Image
            >>> person = Image.open(query).crop(box)
            >>> bool(searcher.embed_crops([person])[0] @ searcher.embed_query(query, box) > 0.8)
            True
        """
        settings = Settings(batch_size=batch_size)
        if not isinstance(images, (list, tuple)):
            raise ImageError(f"{describe(images)}: embed_crops takes a list of pictures; for one, write [picture]")
        embedded = np.zeros((len(images), self.spec.embedding_size), dtype=np.float32)
        prepared = self._runner.all_ready(images, channel_order, batch_size, crops=True)
        with Progress(total=len(images), label="crops", shown=progress) as bar:
            for number, person in enumerate(self._runner.embed_crops(prepared, settings)):
                embedded[number] = person.embeddings[0]
                bar.advance()
        return embedded

    def observe(
        self,
        scenes: Iterable[tuple[ImageInput, GivenBoxes]],
        *,
        threshold: float | None = None,
        max_people: int | None = None,
        batch_size: int = 8,
        channel_order: ChannelOrder = "RGB",
    ) -> Iterator[tuple[Detections, Floats]]:
        """Yield what :meth:`detect` and :meth:`embed_boxes` return of each scene, from one pass over it.

        Args:
            scenes: (image, (N, 4) boxes to embed, xyxy pixels of the original image). In place of boxes, a function of
                the picture's (height, width) that returns them: it may refuse a picture before its boxes are used.
            threshold: lowest detector score, 0..1; default the weights' own.
            max_people: most people per image; default the weights' own.
            batch_size: images of one canvas size that go through the network together.
            channel_order: of arrays and tensors.

        Raises:
            ConfigError: a value is out of range.
            ImageError: an input or a box cannot be used; the message names it.

        Example:
            >>> for detections, embeddings in searcher.observe([(query, np.array([box]))]):
            ...     print(embeddings.shape)
            (1, 512)
        """
        return self._runner.observe(scenes, channel_order, Settings(threshold, max_people, batch_size))

    def index(
        self,
        images: str | os.PathLike[str] | Sequence[ImageInput] | Mapping[str, ImageInput],
        gallery: str | os.PathLike[str] | Gallery,
        *,
        every: int = 1,
        prefix: str = "",
        crops: bool = False,
        tracks: bool = False,
        replace: bool = False,
        cameras: Mapping[str, str] | None = None,
        times: Mapping[str, float] | None = None,
        batch_size: int = 8,
        progress: bool | None = None,
        channel_order: ChannelOrder = "RGB",
        boxes: Mapping[str, Found] | DetectionsFile | Detector | None = None,
    ) -> IndexReport:
        """Detect everybody in the images and store them in a gallery.

        Scenes already in the gallery are skipped, so calling it again continues an interrupted run; a camera or time
        given for them is stored all the same. An input that cannot be read, or whose name is taken by other content, is
        reported, and the rest is indexed. Content is compared by its sha256, which the gallery keeps as
        ``extra["sha256"]``, beside ``extra["path"]``. Of pictures of more than 8 bits, ``extra["value_range"]`` says
        which values became black and white.

        Args:
            images: a folder, glob, video (needs ``personsearch[video]``) or image; a list of them and of URLs; or a
                mapping image_id -> any input. An image_id is the path below the one folder or glob; of a list, it is
                the path as it is written there, so that equal names in two folders stay apart.
            gallery: an open Gallery, or the folder or address of one (``lance://...``), made if need be.
            every: index one of this many frames of a video; 1 = all.
            prefix: put before every image_id, with a slash between them.
            crops: every picture is one person, cut out beforehand: nothing is detected, the whole picture is the box,
                with score 1; see :meth:`embed_crops`.
            tracks: follow everybody through the frames of a video and store only the best few views of each, whose
                embeddings are means over the frames that they stand for; pictures are indexed as ever. The gallery's
                ``tracks()`` lists them, and a match says which one it belongs to.
            replace: index again what is stored under the same name with other content or other boxes, or stored with
                ``tracks`` or ``boxes`` and asked for without, or the other way round.
            cameras: image_id -> camera; a video's own id counts for all its frames.
            times: image_id -> seconds; of a video, the time at which it begins.
            batch_size: images of one canvas size that go through the network together.
            progress: None = a bar on a terminal.
            channel_order: of arrays and tensors.
            boxes: who is in the scenes, in place of our detector: a function of a picture or frame, called in this
                thread, one picture at a time; a mapping image_id -> boxes, with an empty list where nobody is; or a
                file of them, from :func:`personsearch.given.read_detections`. See :meth:`detect`. A scene stored so
                says it in ``extra["boxes"]``.

        Returns:
            What was added, what was skipped, what was refused and what was passed over.

        Raises:
            GalleryError: ``gallery`` is a file, or a folder of pictures.
            GalleryMismatchError: the gallery holds embeddings of other weights.
            ImageError: there is nothing to index, or ``boxes`` are those of other pictures.
            ConfigError: ``crops`` is given with ``tracks`` or ``boxes``.

        Example:
            >>> report = searcher.index("photos/", "my-gallery/", cameras={"0.jpg": "door"})
            >>> report.added, report.skipped, report.failed
            (2, 0, ())
            >>> searcher.index("photos/", "my-gallery/").skipped
            2
            >>> found = {"0.jpg": [[10, 10, 30, 70]], "1.jpg": []}  # by somebody else's detector
            >>> searcher.index("photos/", "other-gallery/", boxes=found).people
            1
            >>> report = searcher.index("videos/", "my-gallery/", every=5, tracks=True)  # doctest: +SKIP
            >>> report.tracks, report.people  # doctest: +SKIP
            (16, 32)
        """
        if tracks and crops:
            raise ConfigError("people are followed through whole frames: give tracks or crops, not both")
        if crops and boxes is not None:
            raise ConfigError("a crop is its person's box: give crops or boxes, not both")
        if not isinstance(gallery, Gallery):
            check_gallery(gallery)
        sources = Sources.of(images, every=every, prefix=prefix, cameras=cameras, times=times)
        given = None if boxes is None else BoxSource(boxes)
        if given is not None:
            check_box_names(given, sources)
        index = index_tracks if tracks else partial(index_sources, crops=crops)
        with self._opened(gallery, "a") as opened:
            if tracks:
                len(opened.tracks)  # where a gallery cannot have any, that is said before a video is read
            report = index(
                self._runner,
                sources,
                opened,
                channel_order=channel_order,
                batch_size=batch_size,
                progress=progress,
                replace=replace,
                boxes=given,
            )
        if given is not None:
            given.classes.log()
        log_report(report)
        return report

    def search(
        self,
        gallery: str | os.PathLike[str] | Gallery,
        image: ImageInput | None = None,
        box: Sequence[float] | None = None,
        *,
        images: Sequence[QueryInput] | None = None,
        track: int | None = None,
        person: int | None = None,
        combine: Combine = "mean",
        like: Sequence[int] = (),
        unlike: Sequence[int] = (),
        k: int = 10,
        cameras: Sequence[str] | None = None,
        since: float | None = None,
        until: float | None = None,
        exclude_images: Sequence[str] | None = None,
        exclude_tracks: Sequence[int] | None = None,
        min_similarity: float | None = None,
        max_false_match_rate: float | None = None,
        one_per_image: bool = False,
        one_per_track: bool = False,
        per_camera: bool = False,
        camera_bias: float = 0.0,
        query_camera: str | None = None,
        channel_order: ChannelOrder = "RGB",
    ) -> Matches:
        """Find a person in a gallery: from a picture or several, or somebody of the gallery itself.

        Args:
            gallery: an open Gallery, or the folder or address of one.
            image: the query's scene.
            box: the person, xyxy pixels; default the picture if it is one person, else the detection with the highest
                score, see :meth:`find_query`.
            images: more pictures of the same person, or (picture, box) pairs; with or instead of ``image``.
            track: a track_id of the gallery instead of pictures; no network runs, and its views are left out.
            person: a person_id of the gallery, likewise.
            combine: how several pictures become one search: by the ``"mean"`` of their embeddings, or each match counts
                by the ``"best"`` of its similarities to them.
            like: detection_ids of matches that were confirmed; the search moves towards them. Alone, they are searched
                for.
            unlike: detection_ids of matches that were rejected; the search moves away from them, and neither they nor
                the other views of their tracks come back.
            k: matches at most; with ``per_camera``, of each camera.
            cameras: only scenes of these.
            since: only scenes at this time (seconds) or later.
            until: only scenes before or at this time.
            exclude_images: image_ids to leave out, e.g. the query's own.
            exclude_tracks: track_ids to leave out.
            min_similarity: drop matches below it.
            max_false_match_rate: keep only matches as similar as at most this share of pairs of different people, e.g.
                1e-3; needs the weights' calibration.
            one_per_image: keep each scene's best match only.
            one_per_track: keep each track's best match only.
            per_camera: return the k best matches of every camera.
            camera_bias: how much of what a camera adds to everybody before it is taken out of the similarities, 0 to 1;
                matches have no probability then.
            query_camera: the camera that took the query, if it is one of the gallery's; for ``camera_bias``.
            channel_order: of arrays and tensors.

        Returns:
            Matches by falling similarity, with their probability where the weights have a calibration. Their
            ``queries`` say whom each picture was searched for.

        Raises:
            ConfigError: the weights have no calibration, or none for this rate.
            GalleryError: there is no such track, person or detection.
            GalleryMismatchError: the gallery holds embeddings of other weights.
            ImageError: a query cannot be used, there is nothing to search for, or more than one kind of it.

        Example:
            >>> matches = searcher.search(gallery, query, detections.boxes[0], k=1)
            >>> matches[0].image_id, round(matches[0].similarity, 2)
            ('s23c4_0005.jpg', 1.0)
            >>> several = searcher.search(gallery, images=[(query, box), query], k=3, combine="best")
            >>> [person.score is None for person in several.queries]  # one box was given, one was detected
            [True, False]
            >>> personsearch.draw_matches([query, query], matches=several).save("matches.png")
            >>> again = searcher.search(gallery, query, box, like=[several[0].detection_id])
        """
        pictures = pictures_of(image, box, images)
        stored = track is not None or person is not None
        require_one_kind(
            {"pictures": bool(pictures), "a track": track is not None, "a person": person is not None},
            like=bool(like),
            nobody="there is nobody to search for; give a picture or several, a track, a person, or detections",
        )
        with self._opened(gallery, "r") as opened:
            queries = [self.find_query(*one, channel_order=channel_order) for one in pictures]
            if queries:
                target = Known(embeddings=np.stack([one.embedding for one in queries]))
            else:
                target = known(opened, track=track, person=person, like=like)
            return Matches(
                opened.search(
                    target.embeddings,
                    k,
                    cameras=cameras,
                    since=since,
                    until=until,
                    exclude_images=exclude_images,
                    exclude_tracks=exclude_tracks,
                    exclude_detections=target.detection_ids,
                    min_similarity=min_similarity,
                    max_false_match_rate=max_false_match_rate,
                    one_per_image=one_per_image,
                    one_per_track=one_per_track,
                    per_camera=per_camera,
                    camera_bias=camera_bias,
                    query_camera=query_camera,
                    combine=combine,
                    like=like if pictures or stored else (),
                    unlike=unlike,
                ),
                queries,
            )

    @contextmanager
    def _opened(self, gallery: str | os.PathLike[str] | Gallery, mode: Literal["a", "r"]) -> Iterator[Gallery]:
        """Open a gallery's folder for as long as it is used; a gallery that is open already stays open."""
        if not isinstance(gallery, Gallery):
            with Gallery.open(gallery, self.spec, mode=mode, calibration=self.calibration) as opened:
                yield opened
            return
        gallery.require(self.spec)
        if gallery.calibration is None:
            gallery.calibration = self.calibration  # it belongs to the weights, so to everything stored here
        yield gallery
