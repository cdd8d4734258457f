"""Distillation: a small network learns from a trained one, the teacher, which people look alike.

Embeddings of student and teacher differ in length, so what they share is compared: for each person of a batch, how
similar all others are. The teacher computes and never learns; it is no part of the task, so no checkpoint and no
weights hold it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Self

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from personsearch.canvas import MULTIPLE
from personsearch.config import StrictModel
from personsearch.errors import WeightsNotFoundError
from personsearch.models import ModelConfig, PersonSearchNetwork, ReidNetwork, SceneGroup
from personsearch.weights.files import BACKBONE_FILE, MODEL_FILE, fill, read_config, read_tensors
from personsearch.weights.names import parse_name
from personsearch.weights.registry import locate

logger = logging.getLogger(__name__)


class DistillConfig(StrictModel):
    """Learn from a trained network too. Not in the paper."""

    teacher: str = Field(
        min_length=1,
        description="weights of the same step, by name or folder (./folder): step 1 takes a backbone of pretrain, step "
        "2 the weights of finetune; any architecture",
    )
    weight: float = Field(1.0, gt=0, description="of the distillation loss, beside the losses of the step")
    temperature: float = Field(
        0.1, gt=0, description="divides similarities; the lower, the more the most similar people count"
    )


def similarity_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Return how much the student's view of who resembles whom differs from the teacher's, in float32.

    For each person the similarities to all others, divided by the temperature, become a distribution by softmax. The
    loss is the mean Kullback-Leibler divergence of the student's distributions from the teacher's, in nats.

    Args:
        student: (N, D) embeddings of any length.
        teacher: (N, E) embeddings of the same people; not differentiated.
        temperature: of both distributions.

    Returns:
        A scalar. It is 0 for fewer than three people, of whom nobody is more similar than the only other one.
    """
    with torch.autocast(student.device.type, enabled=False):
        ours = _log_distributions(student.float(), temperature)
        theirs = _log_distributions(teacher.detach().float(), temperature)
        return (theirs.exp() * (theirs - ours)).sum(dim=1).mean() if len(student) > 2 else ours.sum() * 0


def _log_distributions(embeddings: Tensor, temperature: float) -> Tensor:
    """Return for each of N embeddings the log-probabilities (N, N - 1) of the others."""
    count = len(embeddings)
    unit = F.normalize(embeddings, dim=1)
    # By number rather than by a mask, whose count the host would have to wait for.
    numbers = torch.arange(count, device=unit.device)
    others = numbers[: max(count - 1, 0)].repeat(count, 1)
    similarities = (unit @ unit.T).gather(1, others + (others >= numbers[:, None]))
    return F.log_softmax(similarities / temperature, dim=1)


class FrozenNetwork:
    """A trained network in evaluation mode.

    Deliberately no ``nn.Module``: a task that holds one neither trains nor saves it. A copy of the task, such as its
    moving average, shares it.
    """

    def __init__(self, network: nn.Module, config: ModelConfig) -> None:
        """Freeze a network, whose configuration this is."""
        self.network = network.eval().requires_grad_(False)
        self.config = config
        self._normalisation = [torch.tensor(three).view(1, 3, 1, 1) for three in (config.input.mean, config.input.std)]

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    @torch.no_grad()
    def features_of(self, crops: Tensor) -> Tensor:
        """Return what a ReidNetwork makes of crops (N, 3, h, w) RGB 0..1 of its own size: (N, D) behind the BNNeck."""
        network = self.network.to(crops.device)
        mean, std = self._normalisation = [three.to(crops.device) for three in self._normalisation]
        _, necked = network((crops - mean) / std)
        return necked  # type: ignore[no-any-return]


class Teacher(FrozenNetwork):
    """A network of the same step, of which the student learns who resembles whom."""

    def __init__(self, network: nn.Module, config: ModelConfig, settings: DistillConfig) -> None:
        """Freeze a network.

        Args:
            network: a ReidNetwork for step 1, a PersonSearchNetwork for step 2.
            config: of that network.
            settings: from the recipe.
        """
        super().__init__(network, config)
        self.settings = settings

    def of_crops(self, crops: Tensor) -> Tensor:
        """Return embeddings (N, E) of crops (N, 3, h, w) RGB 0..1, which are resized to the teacher's own crop size."""
        height, width = self.config.crop_size
        if crops.shape[2:] != (height, width):
            crops = F.interpolate(crops, size=(height, width), mode="bilinear", align_corners=False)
        return self.features_of(crops)

    @torch.no_grad()
    def of_people(self, groups: Sequence[SceneGroup], student: ModelConfig) -> Tensor:
        """Return embeddings (M, E) of all annotated boxes that are not ignored, in order.

        Canvases are enlarged or reduced as the teacher's input is larger or smaller than the student's.

        Args:
            groups: the scenes of a batch.
            student: configuration by whose input the canvases were made.
        """
        network = self.network.to(groups[0].images.device)
        scale = self.config.input.min_size / student.input.min_size
        found: list[Tensor] = []
        for images, targets in groups:
            height, width = images.shape[2:]
            size = [max(1, round(side * scale / MULTIPLE)) * MULTIPLE for side in (height, width)]
            boxes = [target.boxes[~target.ignore] for target in targets]
            if size != [height, width]:
                factor = images.new_tensor([size[1] / width, size[0] / height] * 2)
                images = F.interpolate(images, size=size, mode="bilinear", align_corners=False)
                boxes = [one * factor for one in boxes]
            found += network.embed(images, boxes)  # type: ignore[operator]
        return torch.cat(found)

    def loss(self, student: Tensor, own: Tensor) -> Tensor:
        """Return the weighted loss of the student's embeddings (N, D), given the teacher's own (N, E)."""
        return self.settings.weight * similarity_loss(student, own, self.settings.temperature)


def load_teacher(settings: DistillConfig | None, *, step_of_stl: str) -> Teacher | None:
    """Load the teacher that a recipe names.

    Args:
        settings: from the recipe; None = no teacher.
        step_of_stl: ``"pretrain"`` or ``"finetune"``: which kind of network is needed.

    Raises:
        ConfigError: the name is malformed.
        WeightsNotFoundError: nothing has that name, or the weights are of the other step.
        WeightsMismatchError: the files are damaged or do not belong together.
    """
    if settings is None:
        return None
    folder = locate(parse_name(settings.teacher))
    first = step_of_stl == "pretrain"
    path = folder / (BACKBONE_FILE if first else MODEL_FILE)
    if folder.is_file() or not path.exists():
        needed = "a weights folder of pretrain, for step 1" if first else "a weights folder of finetune, for step 2"
        raise WeightsNotFoundError(f"distill.teacher {settings.teacher}: has no {path.name}; give {needed}")
    config = read_config(folder)
    network = ReidNetwork(config.backbone, config.feature_size) if first else PersonSearchNetwork(config)
    fill(network, read_tensors(path), str(path))
    logger.info("the teacher is %s (%s)", settings.teacher, config.name)
    return Teacher(network, config, settings)
