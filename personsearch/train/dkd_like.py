"""DKD-like training: the person-search network learns from a Re-ID network of step 1, which sees crops.

After Zhang et al., *Diverse Knowledge Distillation for End-to-End Person Search*, AAAI 2021 (paper ref [40]), whose
equations could not be read: the definitions here are ours, hence the name. The teacher computes and never learns; it is
no part of the task, so no checkpoint and no weights hold it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from personsearch.config import StrictModel, parse
from personsearch.errors import TrainingError
from personsearch.models import ModelConfig, ReidNetwork, SceneGroup
from personsearch.plain import counted
from personsearch.train.binet_like import crops_of_people
from personsearch.train.checkpoint import BEST, LAST, load_checkpoint, part_of
from personsearch.train.distill import FrozenNetwork
from personsearch.train.watch import RECIPE, WEIGHTS, read_recipe
from personsearch.weights.files import BACKBONE_FILE, CONFIG_FILE, fill

logger = logging.getLogger(__name__)

#: People whom a message names.
_NAMED = 5


class DkdLikeConfig(StrictModel):
    """The teacher, and the weights of the three losses."""

    teacher: str = Field(
        min_length=1,
        description="folder of a run of step 1 on the same people (./runs/NAME): its checkpoint has the classifier",
    )
    probability: float = Field(1.0, ge=0, description="of the divergence from the teacher's identity predictions")
    pairs: float = Field(1.0, ge=0, description="of the squared difference of similarities within the batch")
    triplets: float = Field(1.0, ge=0, description="of the contrast between one's teacher and that of others")
    temperature: float = Field(1.0, gt=0, description="of the identity predictions")
    tau: float = Field(0.1, gt=0, description="temperature of the contrast")


def probability_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Return ``T^2 mean KL(softmax(z_g / T) || softmax(z_f / T))`` in nats and float32.

    Args:
        student: z_f, (N, C) identity logits, N > 0.
        teacher: z_g, (N, C) logits of the same people and classes; not differentiated.
        temperature: T of both.
    """
    with torch.autocast(student.device.type, enabled=False):
        ours = F.log_softmax(student.float() / temperature, dim=1)
        theirs = F.log_softmax(teacher.detach().float() / temperature, dim=1)
        return temperature**2 * (theirs.exp() * (theirs - ours)).sum(dim=1).mean()


def pair_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Return the mean over all i and j of ``(f_i f_j - g_i g_j)^2``, of unit-length features, in float32.

    Args:
        student: f, (N, D) of any length, N > 0.
        teacher: g, (N, E) of the same people; not differentiated.
    """
    with torch.autocast(student.device.type, enabled=False):
        f, g = F.normalize(student.float(), dim=1), F.normalize(teacher.detach().float(), dim=1)
        return (f @ f.T - g @ g.T).pow(2).mean()


def triplet_loss(student: Tensor, teacher: Tensor, identities: Tensor, tau: float) -> Tensor:
    """Return how well a person's own teacher is told from the teachers of other people, in nats and float32.

    ``mean -log(e_ii / (e_ii + sum of e_in over n of another identity))`` with ``e_in = exp(f_i g_n / tau)``, of
    unit-length features. Somebody who meets no other identity adds 0.

    Args:
        student: f, (N, D) of any length, N > 0.
        teacher: g, (N, D) of the same people; not differentiated.
        identities: (N,) int64.
        tau: temperature.
    """
    with torch.autocast(student.device.type, enabled=False):
        f, g = F.normalize(student.float(), dim=1), F.normalize(teacher.detach().float(), dim=1)
        numbers = torch.arange(len(f), device=f.device)
        same = (identities[:, None] == identities[None, :]) & (numbers[:, None] != numbers[None, :])
        return F.cross_entropy((f @ g.T / tau).masked_fill(same, -torch.inf), numbers)


class ReidTeacher(FrozenNetwork):
    """A network of step 1 with its identity classifier."""

    def __init__(self, network: ReidNetwork, classifier: Tensor, config: ModelConfig, settings: DkdLikeConfig) -> None:
        """Freeze a network.

        Args:
            network: of step 1.
            classifier: (C, D) weight of its identity classifier; classes are the student's.
            config: of that network.
            settings: from the recipe.
        """
        super().__init__(network, config)
        self.classifier = classifier
        self.settings = settings

    @torch.no_grad()
    def of_people(self, groups: Sequence[SceneGroup]) -> tuple[Tensor, Tensor]:
        """Return features (N, D) and identity logits (N, C), float32, of all labelled boxes that are not ignored.

        Args:
            groups: the scenes of a batch; crops of the teacher's own size are cut out of their canvases.
        """
        crops = crops_of_people(groups, self.config.crop_size, labelled=True)
        self.classifier = self.classifier.to(crops.device)
        necked = self.features_of(crops)
        with torch.autocast(crops.device.type, enabled=False):
            features = necked.float()
            return features, features @ self.classifier.T

    def losses(
        self, groups: Sequence[SceneGroup], features: Tensor, logits: Tensor, identities: Tensor
    ) -> dict[str, Tensor]:
        """Return the weighted losses of the student by name.

        Args:
            groups: the scenes of a batch.
            features: (N, D) of their labelled people, in order, N > 0.
            logits: (N, C) of the same.
            identities: (N,) int64 classes of the same.
        """
        own, predicted = self.of_people(groups)
        settings = self.settings
        losses = {
            "dkd_like_probability": settings.probability * probability_loss(logits, predicted, settings.temperature),
            "dkd_like_pairs": settings.pairs * pair_loss(features, own),
        }
        if settings.triplets:  # without it, the teacher's features may be of another length
            losses["dkd_like_triplets"] = settings.triplets * triplet_loss(features, own, identities, settings.tau)
        return losses


def load_reid_teacher(
    settings: DkdLikeConfig | None, student: ModelConfig, people: Mapping[str, str] | None
) -> ReidTeacher | None:
    """Load the teacher that a recipe names: the result of a run of step 1, with its classifier.

    Args:
        settings: from the recipe; None = no teacher.
        student: configuration of the network that learns.
        people: its identities in the order of their classes, as its ``DataRecord`` has them: name -> digest of where it
            is seen; None = whoever they are, for estimates.

    Raises:
        TrainingError: no run of step 1 is there, it has no checkpoint yet or a damaged one, its people or the length of
            its features are not the student's.
        WeightsMismatchError: its tensors do not fit its recipe.
    """
    if settings is None:
        return None
    where = f"dkd_like.teacher {settings.teacher}"
    folder = _run_of_step_one(settings.teacher, where)
    last = load_checkpoint(folder / LAST)
    if people is not None:
        _require_same_people(last, people, where)
    config = parse(ModelConfig, read_recipe(folder)[1].get("model", {}), str(folder / RECIPE))
    if settings.triplets and config.feature_size != student.embedding_size:
        remedy = "leave model.reid.embedding unset" if student.reid.embedding else "use a backbone of the same width"
        raise TrainingError(
            f"{where}: its features have {config.feature_size} numbers and the student's {student.embedding_size}, so "
            f"they cannot be compared; {remedy}, or set dkd_like.triplets=0"
        )
    if not (folder / WEIGHTS / CONFIG_FILE).is_file():
        logger.warning("%s: the run has not finished; its teaching changes if it continues", where)
    chosen = folder / (BEST if (folder / BEST).exists() else LAST)  # as the run's own weights
    state = load_checkpoint(chosen) if chosen.name == BEST else last
    network = ReidNetwork(config.backbone, config.feature_size)
    fill(network, part_of(state, "network"), str(chosen))
    logger.info("the teacher of Re-ID is %s (%s)", chosen, config.name)
    return ReidTeacher(network, part_of(state, "classifier")["weight"], config, settings)


def _run_of_step_one(name: str, where: str) -> Path:
    """Return the folder of a run of step 1 that has a checkpoint; a message for everything else that may be named."""
    folder = Path(name).expanduser()
    again = "a run that continues needs its teacher again"
    if folder.is_file():
        raise TrainingError(f"{where}: is a file; give the folder of a run of step 1 (its run.out)")
    if not folder.is_dir():
        raise TrainingError(f"{where}: no such folder; give that of a run of step 1 (its run.out); {again}")
    if not (folder / RECIPE).is_file():
        found = "holds weights" if (folder / CONFIG_FILE).is_file() else "holds no run"
        remedy = "give the folder of a run of step 1 (its run.out)"
        if (folder.parent / RECIPE).is_file() and (folder / BACKBONE_FILE).is_file():
            remedy = f"give the run's folder: {Path(name).parent}"
        raise TrainingError(f"{where}: {found}, and no classifier; {remedy}")
    if read_recipe(folder)[0] != "pretrain":
        raise TrainingError(f"{where}: is a run of step 2; a teacher sees crops, so give a run of step 1")
    if not (folder / LAST).exists():
        raise TrainingError(
            f"{where}: its checkpoint {LAST} is not there, and the classifier is in no other file; copy it, or run "
            f"step 1 again; {again}"
        )
    return folder


def _require_same_people(state: dict[str, Any], people: Mapping[str, str], where: str) -> None:
    """Refuse a teacher whose classes are not the student's; warn where only the names are the same."""
    remedy = "run step 1 on the same annotations and held-out places (data), and name that run"
    if "data" not in state:
        raise TrainingError(f"{where}: is of a version that did not record whom it was trained on; {remedy}")
    theirs: dict[str, str] = state["data"]["people"]
    if list(theirs) == list(people):
        others = [name for name in people if people[name] != theirs[name]]
        if others:
            count = counted(len(others), "person was", "people were")
            logger.warning("%s: %s annotated otherwise when it was trained; are they the same people?", where, count)
        return
    only = {
        "the teacher does not know": [one for one in people if one not in theirs],
        "only the teacher knows": [one for one in theirs if one not in people],
    }
    parts = []
    for what, names in only.items():
        if names:
            more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
            parts.append(f"{what} {', '.join(names[:_NAMED])}{more}")
    if state.get("left_out"):
        parts.append(f"step 1 left out {counted(len(state['left_out']), 'picture')} that could not be used")
    raise TrainingError(f"{where}: {'; '.join(parts) or 'knows the same people in another order'}; {remedy}")
