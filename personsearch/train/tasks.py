"""What learns: network, losses and identity classifier together, one task per step of STL.

Classifiers and centres live here and not in the network, so exported weights never hold them.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD, Adam, AdamW, Optimizer

from personsearch.models import ModelConfig, PersonSearchNetwork, ReidNetwork, SceneGroup
from personsearch.models.network import TrainingOutput
from personsearch.train.binet_like import BinetLikeConfig, feature_distance, patch_features, prediction_divergence
from personsearch.train.config import FinetuneConfig, IdentityLossConfig, OptimizerConfig, ReidLossConfig
from personsearch.train.crops import CropBatch
from personsearch.train.distill import Teacher, load_teacher
from personsearch.train.distributed import World
from personsearch.train.dkd_like import ReidTeacher
from personsearch.train.losses import CenterLoss, batch_hard_triplet, class_balanced_weights, focal_loss
from personsearch.train.oim import InstanceMemory
from personsearch.train.scenes import SceneBatch
from personsearch.train.stepping import TrainingTask


def identity_classifier(channels: int, num_identities: int) -> nn.Linear:
    """Return the classifier behind the BNNeck: no bias, weights of standard deviation 0.001 (paper ref [24])."""
    classifier = nn.Linear(channels, num_identities, bias=False)
    nn.init.normal_(classifier.weight, std=0.001)
    return classifier


def float32_logits(classifier: nn.Linear, features: Tensor) -> Tensor:
    """Return a classifier's logits (N, C) of features (N, D) in float32, under autocast too.

    bfloat16 has steps of 1/8 between 16 and 32, where the logits of a trained classifier are.
    """
    with torch.autocast(features.device.type, enabled=False):
        logits: Tensor = classifier(features.float())
    return logits


class ReidTask(TrainingTask):
    """STL step 1 (paper Eq. 1): identity cross-entropy, batch-hard triplet and centre loss on crops."""

    mean: Tensor
    std: Tensor

    def __init__(
        self, model: ModelConfig, num_identities: int, losses: ReidLossConfig, *, teacher: Teacher | None = None
    ) -> None:
        super().__init__()
        self.config = losses
        self.teacher = teacher
        self.network = ReidNetwork(model.backbone, model.feature_size)
        self.classifier = identity_classifier(model.feature_size, num_identities)
        self.centers = CenterLoss(num_identities, model.feature_size) if losses.center_weight else None
        self.register_buffer("mean", torch.tensor(model.input.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(model.input.std).view(1, 3, 1, 1), persistent=False)

    def forward(self, batch: CropBatch) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Return (weighted losses that sum to Eq. 1, figures to watch)."""
        pooled, necked = self.network((batch.images - self.mean) / self.std)
        logits = float32_logits(self.classifier, necked)
        losses = {
            "identity": F.cross_entropy(logits, batch.identities, label_smoothing=self.config.label_smoothing),
        }
        if self.config.triplet:
            losses["triplet"] = batch_hard_triplet(pooled, batch.identities, self.config.triplet_margin)
        if self.centers is not None:
            losses["center"] = self.config.center_weight * self.centers(pooled, batch.identities)
        if self.teacher is not None:
            losses["distill"] = self.teacher.loss(necked, self.teacher.of_crops(batch.images))
        return losses, {"accuracy": (logits.argmax(dim=1) == batch.identities).float().mean()}

    def optimizers(self, config: OptimizerConfig) -> list[Optimizer]:
        """Return the optimiser that follows the schedule, then that of the centres, whose rate is constant.

        The centres' gradient carries the loss weight; dividing their rate by it undoes that (paper ref [24]).
        """
        scheduled = [*self.network.parameters(), *self.classifier.parameters()]
        result = [build_optimizer(config, scheduled)]
        if self.centers is not None:
            result.append(SGD(self.centers.parameters(), lr=self.config.center_lr / self.config.center_weight))
        return result

    @torch.no_grad()
    def embed(self, images: Tensor) -> Tensor:
        """Return unit-length embeddings (N, D) of crops (N, 3, h, w) RGB 0..1: the BNNeck's output."""
        _, necked = self.network((images - self.mean) / self.std)
        return F.normalize(necked.float(), dim=1)


class SearchTask(TrainingTask):
    """STL step 2 (paper Eq. 2 and 3): the detector's losses plus the identity loss on annotated boxes."""

    identity_weights: Tensor | None

    def __init__(
        self,
        model: ModelConfig,
        counts: Tensor,
        loss: IdentityLossConfig | None = None,
        *,
        freeze_bn: bool = False,
        teacher: Teacher | None = None,
        box_jitter: float = 0.0,
        binet_like: BinetLikeConfig | None = None,
        reid_teacher: ReidTeacher | None = None,
    ) -> None:
        """Build the network, and the classifier or the memory.

        Args:
            model: configuration of the network.
            counts: (C,) int64, annotated boxes of each identity.
            loss: the identity loss; default the paper's cross-entropy.
            freeze_bn: keep the statistics of the backbone's BatchNorm, and do not train its weights.
            teacher: whose view of who resembles whom is learnt too.
            box_jitter: how much IoU the boxes that embeddings are trained on may lose.
            binet_like: weights of the losses of a second branch, on crops; None = there is none.
            reid_teacher: a network of step 1 that knows the same identities, to learn from.
        """
        super().__init__()
        self.teacher = teacher
        self.binet_like = binet_like
        self.reid_teacher = reid_teacher
        self.box_jitter = box_jitter
        self.loss = loss or IdentityLossConfig()
        self.network = PersonSearchNetwork(model)
        self.classifier: nn.Linear | None = None
        self.memory: InstanceMemory | None = None
        if self.loss.kind == "oim":
            self.memory = InstanceMemory(
                len(counts),
                model.embedding_size,
                scalar=self.loss.scalar,
                momentum=self.loss.momentum,
                queue=self.loss.queue,
            )
        else:
            self.classifier = identity_classifier(model.embedding_size, len(counts))
        self._seen: list[tuple[Tensor, Tensor]] = []
        balanced = self.loss.kind == "class_balanced"
        weights = class_balanced_weights(counts, self.loss.beta) if balanced else None
        self.register_buffer("identity_weights", weights, persistent=False)
        self._frozen = [m for m in self.network.modules() if freeze_bn and isinstance(m, nn.BatchNorm2d)]
        for norm in self._frozen:
            norm.requires_grad_(False)
        self.to(memory_format=torch.channels_last)  # a step on a CPU takes 15 % less time

    @classmethod
    def of_recipe(cls, config: FinetuneConfig, counts: Tensor, reid_teacher: ReidTeacher | None) -> SearchTask:
        """Build what a recipe says, and load the teacher of ``[distill]``.

        Args:
            config: the recipe.
            counts: (C,) int64, annotated boxes of each identity.
            reid_teacher: of ``[dkd_like]``.
        """
        return cls(
            config.model,
            counts,
            config.identity_loss,
            freeze_bn=config.freeze_bn,
            teacher=load_teacher(config.distill, step_of_stl=config.step_of_stl),
            box_jitter=config.box_jitter,
            binet_like=config.binet_like,
            reid_teacher=reid_teacher,
        )

    def train(self, mode: bool = True) -> SearchTask:
        """Switch modes; frozen BatchNorm stays in evaluation mode."""
        super().train(mode)
        for norm in self._frozen:
            norm.eval()
        return self

    def forward(self, batch: SceneBatch) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Return (losses that sum to Eq. 3, figures to watch). Without a labelled person there is no identity loss.

        Of a batch all of whose scenes were left out the loss is zero, and it reaches every parameter: processes that
        average their gradients wait for each other's.
        """
        if not batch.groups:
            return {"none": torch.stack([one.sum() for one in self.parameters() if one.requires_grad]).sum() * 0}, {}
        out = self.network.train_step(batch.groups, box_jitter=self.box_jitter)
        losses = dict(out.losses)
        if self.teacher is not None and len(out.features):
            own = self.teacher.of_people(batch.groups, self.network.config)
            losses["distill"] = self.teacher.loss(out.features, own)
        if self.memory is not None and self.training:
            self._seen.append((out.features.detach().float(), out.identities))
        labelled = out.identities >= 0
        features, identities = out.features[labelled], out.identities[labelled]
        logits = self.identity_logits(features) if len(identities) else None
        if self.binet_like is not None and len(out.features):
            losses |= self._patch_losses(self.binet_like, batch.groups, out, logits)
        if logits is None:
            return losses, {}
        if self.reid_teacher is not None:
            losses |= self.reid_teacher.losses(batch.groups, features, logits, identities)
        losses["identity"] = self.loss.weight * self.identity_loss(logits, identities)
        return losses, {"accuracy": (logits.argmax(dim=1) == identities).float().mean()}

    def _patch_losses(
        self, weights: BinetLikeConfig, groups: list[SceneGroup], out: TrainingOutput, logits: Tensor | None
    ) -> dict[str, Tensor]:
        """Return the losses of the branch on crops; ``logits`` are those of the scenes' labelled people, if any."""
        patches = patch_features(self.network, groups)
        losses = {"binet_like_features": weights.features * feature_distance(out.features, patches)}
        if logits is not None:
            labelled = out.identities >= 0
            own = self.identity_logits(patches[labelled])
            losses["binet_like_predictions"] = weights.predictions * prediction_divergence(logits, own)
            identity = self.loss.weight * self.identity_loss(own, out.identities[labelled])
            losses["binet_like_identity"] = weights.identity * identity
        return losses

    def identity_logits(self, features: Tensor) -> Tensor:
        """Return the logits (N, C) of features (N, D), float32; with OIM also those of its queue, (N, C + Q)."""
        if self.memory is not None:
            logits: Tensor = self.memory(features)
            return logits
        return float32_logits(cast(nn.Linear, self.classifier), features)

    def identity_loss(self, logits: Tensor, identities: Tensor) -> Tensor:
        """Return the recipe's identity loss, without its weight, of logits and classes (N,) int64, N > 0."""
        if self.loss.kind == "focal":
            return focal_loss(logits, identities, self.loss.gamma)
        return F.cross_entropy(logits, identities, weight=self.identity_weights)

    def after_step(self, world: World) -> None:
        """Have the memory take in everybody of the step: all processes the same people, in the order of the parts."""
        if self.memory is None:
            return
        seen, self._seen = self._seen, []
        mine = [(features.cpu(), identities.cpu()) for features, identities in seen] if world.size > 1 else seen
        for part in world.all_gather(mine):
            for features, identities in part:
                self.memory.remember(features.to(world.device), identities)

    def optimizers(self, config: OptimizerConfig) -> list[Optimizer]:
        """Return the one optimiser of network and classifier."""
        return [build_optimizer(config, list(self.parameters()))]


def build_optimizer(config: OptimizerConfig, parameters: list[nn.Parameter]) -> Optimizer:
    """Build the recipe's optimiser over those parameters that learn."""
    learning = [parameter for parameter in parameters if parameter.requires_grad]
    if config.name == "sgd":
        return SGD(
            learning,
            lr=config.lr,
            momentum=config.momentum,
            nesterov=config.nesterov,
            weight_decay=config.weight_decay,
        )
    kind = Adam if config.name == "adam" else AdamW
    return kind(learning, lr=config.lr, weight_decay=config.weight_decay)
