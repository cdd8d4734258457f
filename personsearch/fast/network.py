"""The person-search network, taken apart and put together for speed; it computes what the reference network does."""

from __future__ import annotations

import logging

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from personsearch.fast.boxes import clip, decode
from personsearch.fast.parts import Parts
from personsearch.fast.proposals import Regions, best_anchors, choose_regions
from personsearch.fast.regions import pool_regions
from personsearch.fast.selection import Selection, select_people
from personsearch.fast.suppression import ROUNDS
from personsearch.models import People, PersonSearchNetwork
from personsearch.models.config import LOW_STRIDE, STRIDE
from personsearch.models.health import Diverged
from personsearch.models.pooling import MRFP

logger = logging.getLogger(__name__)

#: People who go through the identification network together: of a crowd the maps would take gigabytes.
PEOPLE_AT_ONCE = 128
#: On a GPU their number is rounded up to a multiple of this: cuDNN plans its convolutions anew for every number that it
#: has not met before, which takes fifteen times as long as to compute them.
PEOPLE_STEP = 16
#: Cells of a region that the detector looks at.
CELLS = (7, 7)


class FastNetwork(nn.Module):
    """Detection and re-identification in one pass over a scene, as ``PersonSearchNetwork`` computes them.

    What is different: batch norms are folded, maps have their channels last, only the best anchors are decoded,
    RoIAlign sums rows, and lists that differ from image to image are padded, so that no step up to the last NMS has to
    wait for the host. Then one copy says who was found, which decides how many people the identification network sees,
    and a second one brings their embeddings.

    The stages are public, in the order in which they run: :meth:`features`, :meth:`propose`, :meth:`score`,
    :meth:`select`, :meth:`identify`. Results are on the CPU.
    """

    scale: Tensor
    shift: Tensor
    shapes: Tensor

    def __init__(self, network: PersonSearchNetwork) -> None:
        """Take over a network: its layers are folded in place, so that it can be neither used nor saved any more.

        Args:
            network: on any device.
        """
        super().__init__()
        network.eval().float()
        self.config = network.config
        mean, std = network.mean, network.std
        self.register_buffer("scale", 1 / (255 * std), persistent=False)
        self.register_buffer("shift", -mean / std, persistent=False)
        anchors = network.detector.rpn.anchor_generator
        anchors.set_cell_anchors(torch.float32, mean.device)
        self.register_buffer("shapes", anchors.cell_anchors[0], persistent=False)
        self.region_weights = network.detector.head.box_coder.weights
        self.levels = 2 if isinstance(network.pooling, MRFP) else 1
        self.parts = Parts(network, CELLS[0] * CELLS[1])
        self.dtype = torch.float32
        self._diverged = Diverged()

    def set_dtype(self, dtype: torch.dtype) -> FastNetwork:
        """Compute in ``dtype``, except the BNNeck and what follows, box decoding, NMS and norms: they need float32."""
        self.parts.to(dtype)
        self.parts.identification.identification.keep_float32()
        self.dtype = dtype
        return self

    def forward(
        self, images: Tensor, *, score_threshold: float | None = None, max_people: int | None = None
    ) -> list[People]:
        """Find the people in each image.

        Args:
            images: (N, 3, H, W) RGB, uint8 or float 0..1; H and W multiples of 32.
            score_threshold: lowest score; None = the configuration's.
            max_people: most people per image; None = the configuration's.

        Returns:
            The people of each image, on the CPU. What is not finite is nobody, and the log says once that the weights
            look diverged.
        """
        return self.observe(images, None, score_threshold=score_threshold, max_people=max_people)[0]

    def embed(self, images: Tensor, boxes: list[Tensor]) -> list[Tensor]:
        """Embed given boxes, such as a query's.

        Args:
            images: as of :meth:`forward`.
            boxes: per image (K_i, 4) float32 xyxy in input pixels, on any device.

        Returns:
            Per image (K_i, D) unit-length float32, on the CPU.
        """
        low, high = self.features(images)
        return self._embed(low, high, boxes)

    def observe(
        self,
        images: Tensor,
        boxes: list[Tensor] | None,
        *,
        score_threshold: float | None = None,
        max_people: int | None = None,
    ) -> tuple[list[People], list[Tensor]]:
        """Return what ``forward`` and ``embed`` return, computed from the same features."""
        settings = self.config.detector
        threshold = settings.score_threshold if score_threshold is None else score_threshold
        most = settings.max_people if max_people is None else max_people
        low, high = self.features(images)
        found = self._found(high, threshold, most)
        given = [] if boxes is None else [part.cpu() for part in boxes]
        embeddings = self._embed(low, high, [own for own, _ in found], given)
        people = []
        for (own, scores), rows in zip(found, embeddings, strict=False):
            finite = rows.isfinite().all(dim=1)
            people.append(People(own[finite], scores[finite], rows[finite]))
        return people, embeddings[len(found) :]

    def features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return conv2_x and conv3_x of images as :meth:`forward` takes them."""
        scale = self.scale if images.dtype == torch.uint8 else self.scale * 255
        scaled = torch.addcmul(self.shift, images.float(), scale)  # in float32: a factor of 1/57 on 255 rounds badly
        low, high = self.parts.base(scaled.to(self.dtype, memory_format=torch.channels_last))
        return low, high

    def propose(self, high: Tensor, *, exact: bool | None = None) -> Regions:
        """Return the regions of each image that may hold a person.

        Args:
            high: conv3_x.
            exact: see :func:`personsearch.fast.proposals.choose_regions`; None = where it costs nothing.
        """
        settings = self.config.detector
        logits, deltas = self.parts.proposal_head(high)
        boxes = best_anchors(logits, deltas, self.shapes, settings.rpn_pre_nms_test, _canvas(high))
        return choose_regions(boxes, settings, exact=_waits(high) if exact is None else exact)

    def score(self, high: Tensor, regions: Regions) -> tuple[Tensor, Tensor]:
        """Return refined boxes (N, R, 4), clipped to the canvas, and scores (N, R) of regions; float32."""
        images, count, _ = regions.boxes.shape
        image_of = torch.arange(images, device=high.device)[:, None].expand(images, count).reshape(-1)
        pooled = pool_regions(high, regions.boxes.view(-1, 4), image_of, CELLS, STRIDE)
        scores, deltas = self.parts.region_head(pooled)
        boxes = decode(deltas.view(images, count, 4), regions.boxes, self.region_weights)
        return clip(boxes, _canvas(high)), scores.view(images, count)

    def select(
        self,
        boxes: Tensor,
        scores: Tensor,
        real: Tensor,
        *,
        score_threshold: float,
        max_people: int,
        exact: bool | None = None,
    ) -> Selection:
        """Return who is a person; see :func:`personsearch.fast.selection.select_people`."""
        exact = _waits(boxes) if exact is None else exact
        return select_people(
            boxes,
            scores,
            real,
            self.config.detector,
            score_threshold=score_threshold,
            max_people=max_people,
            rounds=None if exact else ROUNDS,
        )

    def identify(self, low: Tensor, high: Tensor, boxes: Tensor, image_of: Tensor) -> Tensor:
        """Return (K, D) unit-length float32 of boxes (K, 4) in images (K,), on the device."""
        height, width = self.config.reid.roi_size
        coarse = pool_regions(high, boxes, image_of, (height, width), STRIDE)
        levels = [coarse]
        if self.levels == 2:
            levels.append(pool_regions(low, boxes, image_of, (2 * height, 2 * width), LOW_STRIDE))
        embeddings: Tensor = self.parts.identification(*levels)
        return embeddings

    def _found(self, high: Tensor, score_threshold: float, max_people: int) -> list[tuple[Tensor, Tensor]]:
        """Return the boxes and scores of each image's people, on the CPU."""
        for exact in (None, True):
            regions = self.propose(high, exact=exact)
            boxes, scores = self.score(high, regions)
            chosen = self.select(
                boxes, scores, regions.real, score_threshold=score_threshold, max_people=max_people, exact=exact
            )
            settled = regions.settled & chosen.settled
            # One copy of everything that the host wants to know.
            flags = torch.stack([settled, regions.real.any(dim=1)], dim=1)
            people = torch.cat([chosen.boxes, chosen.scores[..., None], chosen.real[..., None].float()], dim=2)
            told = torch.cat([people.flatten(1), flags.float()], dim=1).cpu()
            if bool(told[:, -2].all()):
                break
            logger.debug("suppressions had not settled; computed again with the host looking on")
        if not bool(told[:, -1].all()):
            self._diverged.say("proposes no region in a picture", self.dtype)
        rows = told[:, :-2].view(len(told), -1, 6)
        return [(own[own[:, 5] > 0, :4], own[own[:, 5] > 0, 4]) for own in rows]

    def _embed(self, low: Tensor, high: Tensor, *lists: list[Tensor]) -> list[Tensor]:
        """Embed boxes in one call: each list has the boxes of every image; returns the lists one after the other."""
        counts = [len(part) for boxes in lists for part in boxes]
        if not sum(counts):
            return [torch.zeros(0, self.config.embedding_size) for _ in counts]
        boxes = torch.cat([part for boxes in lists for part in boxes])
        images = torch.cat([torch.arange(len(boxes)) for boxes in lists])
        image_of = images.repeat_interleave(torch.tensor(counts), output_size=sum(counts))
        if not _waits(high):
            more = -len(boxes) % PEOPLE_STEP
            boxes, image_of = F.pad(boxes, (0, 0, 0, more)), F.pad(image_of, (0, more))
        boxes = boxes.to(high.device, torch.float32, non_blocking=True)
        image_of = image_of.to(high.device, non_blocking=True)
        parts = [slice(start, start + PEOPLE_AT_ONCE) for start in range(0, len(boxes), PEOPLE_AT_ONCE)]
        if len(parts) == 1:
            embeddings = self.identify(low, high, boxes, image_of)
        else:
            embeddings = torch.cat([self.identify(low, high, boxes[part], image_of[part]) for part in parts])
        embeddings = embeddings[: sum(counts)].cpu()
        if not bool(embeddings.isfinite().all()):
            self._diverged.say("gives embeddings that are not finite", self.dtype)
        return list(embeddings.split(counts))


def _canvas(high: Tensor) -> tuple[int, int]:
    """Return height and width of the input that a conv3_x map belongs to."""
    return high.shape[2] * STRIDE, high.shape[3] * STRIDE


def _waits(tensor: Tensor) -> bool:
    """Whether the host may look at a result at no cost: everywhere but on CUDA, where it would wait for the device."""
    return tensor.device.type != "cuda"
