"""Recipes: what a TOML file may say about the two steps of STL."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from personsearch.config import StrictModel, apply_overrides, load_toml, merge, parse
from personsearch.errors import ConfigError
from personsearch.models import ModelConfig, preset, preset_names
from personsearch.train.binet_like import BinetLikeConfig
from personsearch.train.distill import DistillConfig
from personsearch.train.dkd_like import DkdLikeConfig
from personsearch.train.schedule import ScheduleConfig

StepOfStl = Literal["pretrain", "finetune"]


class _SourceConfig(StrictModel):
    images: str | None = Field(None, description="folder of the images; default: where the format keeps them")
    format: str | None = Field(
        None, description="coco, prw, cuhk-sysu, mot, ...; default: the one whose files are in the folder"
    )
    skip_bad: bool | None = Field(
        None,
        description="true: skip what is malformed, missing or damaged, even in the middle of a run, and do not check "
        "the published counts",
    )
    holdout_places: tuple[str, ...] = Field((), description="places to validate on, kept out of training")
    holdout_share: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="where places are not known: share of the scenes to validate on, in whole groups of scenes that "
        "show the same people",
    )
    people: tuple[str, ...] = Field(
        (), description="categories that are people; default: those called person, or else the only one in use"
    )


class SetConfig(_SourceConfig):
    """One of several sets: the training split of a set in any format of ``personsearch.datasets.load_dataset``."""

    annotations: str = Field(min_length=1, description="COCO-style json file, or the folder of a set")
    weight: float = Field(
        1.0,
        gt=0,
        le=100,
        description="how often an epoch shows each scene (step 1: each person): 1 = once, 2 = twice, "
        "0.5 = a random half of them, another in every epoch",
    )


class DataConfig(_SourceConfig):
    """What is trained on: one set, as ``annotations``, or several, as ``[[data.sets]]``.

    People of different sets are different people, whatever their labels.
    """

    annotations: str | None = Field(None, min_length=1, description="COCO-style json file, or the folder of a set")
    sets: tuple[SetConfig, ...] = Field((), description="several sets instead of the one that annotations names")

    @property
    def all_sets(self) -> tuple[SetConfig, ...]:
        """The sets, however they were given."""
        if self.annotations is None:
            return self.sets
        one = {name: getattr(self, name) for name in _SourceConfig.model_fields}
        return (SetConfig(annotations=self.annotations, **one),)

    @property
    def name(self) -> str:
        """The sets' names, for messages."""
        return ", ".join(one.annotations for one in self.all_sets)

    @model_validator(mode="after")
    def _one_way_or_the_other(self) -> DataConfig:
        if self.annotations is None and not self.sets:
            raise ValueError("name what to train on: annotations, or several sets as [[data.sets]]")
        if self.annotations is not None and self.sets:
            raise ValueError("annotations and sets exclude each other; make annotations the first of [[data.sets]]")
        given = [key for key, field in _SourceConfig.model_fields.items() if getattr(self, key) != field.default]
        if self.sets and given:
            raise ValueError(f"{given[0]} belongs to one set; move it into the [[data.sets]] that it is for")
        return self


class OptimizerConfig(StrictModel):
    """The optimiser of the network and its classifier."""

    name: Literal["adam", "adamw", "sgd"]
    lr: float = Field(gt=0)
    weight_decay: float = Field(0.0, ge=0)
    momentum: float = Field(0.9, ge=0, lt=1, description="sgd only")
    nesterov: bool = Field(False, description="sgd only")


class RunConfig(StrictModel):
    """What both steps share: where the run goes, what it runs on, and how often it writes."""

    out: str = Field(min_length=1, description="folder of the run")
    seed: int = Field(1, ge=0, lt=2**32)
    device: str | None = Field(None, description="cuda, cpu, ...; default: cuda if there is a GPU, else cpu")
    precision: Literal["float32", "bfloat16", "float16"] = Field(
        "float32",
        description="of the network's layers under autocast; what follows them (pooled features, logits, losses, "
        "boxes, distances) is always float32",
    )
    num_workers: int = Field(1, ge=0, le=512, description="processes that load and augment")
    log_every: int = Field(20, ge=1, description="steps between rows of metrics.jsonl")
    checkpoint_every: int = Field(100, ge=1, description="steps between checkpoints; every epoch also ends with one")
    validate_every: int = Field(1, ge=1, description="epochs between validations on the held-out places")
    backup: str | None = Field(
        None,
        min_length=1,
        description="where checkpoints and weights are copied to, and where a machine that has none takes the run up "
        "from: s3://bucket/folder (needs personsearch[s3]), or anything else that fsspec opens",
    )
    tensorboard: bool = Field(False, description="also write TensorBoard files (needs personsearch[train])")


class StepsConfig(StrictModel):
    """How a batch becomes an optimiser step. The paper needs none of this."""

    accumulate: int = Field(1, ge=1, description="split each batch into this many parts that pass one after another")
    clip_norm: float | None = Field(None, gt=0, description="largest norm of the gradient")
    ema_decay: float | None = Field(None, gt=0, lt=1, description="validate and keep a moving average of the weights")
    patience: int | None = Field(None, ge=1, description="stop after this many validations without a new best")


class AppearanceConfig(StrictModel):
    """Changes of colour, sharpness and noise, for weights that shall work on other cameras. All are off by default.

    Shares are of the pictures; where a strength is drawn, it is drawn between nothing and the value. Lengths are pixels
    of what the network sees: of the canvas, or of the crop.
    """

    colour: float = Field(
        0.0, ge=0, le=4, description="brightness, contrast and saturation times 1/(1+colour) to 1+colour; 1 = 0.5 to 2"
    )
    hue: float = Field(0.0, ge=0, le=0.5, description="most of the colour circle that the hue turns by")
    colour_share: float = Field(1.0, gt=0, le=1, description="share of pictures that colour and hue change")
    grey: float = Field(0.0, ge=0, le=1, description="share without colour")
    pasta: float = Field(0.0, ge=0, le=1, description="share with noise on the Fourier amplitudes (PASTA)")
    downscale: float = Field(0.0, ge=0, le=1, description="share that is scaled down and up again")
    downscale_to: float = Field(0.35, gt=0, lt=1, description="smallest part of each side that is left")
    blur: float = Field(0.0, ge=0, le=1, description="share that is blurred")
    blur_radius: float = Field(1.5, gt=0, le=50, description="largest standard deviation of the blur, pixels")
    noise: float = Field(0.0, ge=0, le=1, description="share with noise of the sensor")
    noise_level: float = Field(12.0, gt=0, le=128, description="largest standard deviation of the noise, of 255")
    jpeg: float = Field(0.0, ge=0, le=1, description="share that is compressed as JPEG")
    jpeg_quality: int = Field(30, ge=1, le=95, description="lowest quality")


class CropAugmentConfig(AppearanceConfig):
    """Augmentation of Re-ID crops: flip and erasing as in paper section 4.3, padding as in its ref [24]."""

    flip: float = Field(0.5, ge=0, le=1)
    pad: int = Field(10, ge=0, description="pixels of black border before the random crop")
    context: float = Field(
        0.0,
        ge=0,
        le=1,
        description="crops are cut with this share of the box more on each side, and a window as large as the box is "
        "taken out at random (DKD's augmentation for its teacher)",
    )
    erasing: float = Field(0.5, ge=0, le=1)
    jitter: float = Field(0.0, ge=0, lt=1, description="largest relative change of brightness, contrast and colour")


class ReidLossConfig(StrictModel):
    """Losses of paper Eq. 1. The paper's Table 6 leaves out the centre loss, then the triplet loss too."""

    triplet: bool = Field(True, description="false: softmax alone, on plainly shuffled batches (Table 6)")
    label_smoothing: float = Field(0.1, ge=0, lt=1)
    triplet_margin: float = Field(0.3, ge=0)
    center_weight: float = Field(5e-4, ge=0, description="lambda of Eq. 1; 0 leaves the centre loss out")
    center_lr: float = Field(0.5, gt=0, description="learning rate of the centres, which have an SGD of their own")


class IdentityLossConfig(StrictModel):
    """Identity loss of step 2: the paper's is cross-entropy.

    Its Table 4 compares the two re-weighting losses; its Table 3 has OIM, whose memory takes the classifier's place.
    """

    kind: Literal["cross_entropy", "class_balanced", "focal", "oim"] = "cross_entropy"
    beta: float = Field(0.9999, ge=0, lt=1, description="class_balanced: 1 - 1/N of the effective number (ref [8])")
    gamma: float = Field(2.0, ge=0, description="focal: how strongly easy samples are down-weighted (ref [21])")
    scalar: float = Field(30.0, gt=0, description="oim: similarities times this; 10 in the original, 30 since SeqNet")
    momentum: float = Field(0.5, ge=0, lt=1, description="oim: what an identity keeps of its row when it is seen")
    queue: int = Field(500, ge=1, description="oim: people without a label that are remembered; 5000 for CUHK-SYSU")
    weight: float = Field(
        1.0, ge=0, description="of the loss beside the others; low where a fresh classifier meets trained weights"
    )


class TrainConfig(StrictModel, ABC):
    """What the recipes of both steps have in common."""

    step_of_stl: ClassVar[StepOfStl]

    run: RunConfig
    model: ModelConfig
    data: DataConfig
    optimizer: OptimizerConfig
    schedule: ScheduleConfig
    steps: StepsConfig = StepsConfig()
    distill: DistillConfig | None = Field(None, description="a trained network to learn from too; none in the paper")
    init: str | None = Field(
        None,
        description="initial weights: a name of weights.toml; a weights folder (./folder); a run's checkpoint "
        "(./run/last.pt); imagenet = the public ImageNet weights of model.backbone; a file of such weights (.pth, "
        ".safetensors); hf://org/repo[@revision][/file]; none = random, which the log says",
    )

    @property
    @abstractmethod
    def batch_units(self) -> tuple[str, int]:
        """What a batch is divided by, and how many of it there are: the key of the recipe, and its value."""

    def check_shares(self, processes: int) -> None:
        """Refuse a batch that does not divide into the parts of all processes.

        Args:
            processes: number of processes; each cuts its share into ``steps.accumulate`` parts.

        Raises:
            ConfigError: names the key, and values that divide.
        """
        key, units = self.batch_units
        shares = processes * self.steps.accumulate
        if units % shares:
            raise ConfigError(
                f"{key}={units} is for all processes together and does not divide into {processes} processes x "
                f"steps.accumulate={self.steps.accumulate}; choose a multiple of {shares}"
            )


class PretrainConfig(TrainConfig):
    """STL step 1 (paper section 3.1): the backbone on Re-ID crops."""

    step_of_stl = "pretrain"

    augment: CropAugmentConfig = CropAugmentConfig()
    losses: ReidLossConfig = ReidLossConfig()
    sampling: Literal["class_aware", "neighbours"] = Field(
        "class_aware",
        description="who meets in a batch: people at random (the paper), or each person with those whom the network "
        "takes for most alike (hard-identity mining); then an epoch has as many batches as people",
    )
    num_identities: int = Field(16, ge=2, description="P, people in a batch")
    num_instances: int = Field(4, ge=1, description="K, crops of each of them")

    @model_validator(mode="after")
    def _sampling_is_used(self) -> PretrainConfig:
        if self.sampling != "class_aware" and not self.losses.triplet:
            raise ValueError(
                f"losses.triplet=false shuffles crops whoever they show, so sampling={self.sampling!r} would change "
                "nothing; remove one of them"
            )
        return self

    @property
    def batch_size(self) -> int:
        """P x K."""
        return self.num_identities * self.num_instances

    @property
    def batch_units(self) -> tuple[str, int]:
        """Whole identities: all instances of one stay together."""
        return "num_identities", self.num_identities

    def check_shares(self, processes: int) -> None:
        """See :meth:`TrainConfig.check_shares`; also, the triplet loss needs two identities in every part."""
        super().check_shares(processes)
        shares = processes * self.steps.accumulate
        if self.losses.triplet and self.num_identities == shares:
            raise ConfigError(
                f"num_identities={self.num_identities} leaves one identity to each of {shares} parts, and the triplet "
                "loss needs another to compare with; raise it, or lower steps.accumulate"
            )


class SceneAugmentConfig(AppearanceConfig):
    """Augmentation of scenes. The paper flips only."""

    flip: float = Field(0.5, ge=0, le=1)
    zoom: float = Field(1.0, ge=1, description="a random window down to 1/zoom of each side becomes the scene")
    zoom_share: float = Field(0.5, ge=0, le=1, description="share of scenes that are zoomed into")
    crop: float = Field(
        1.0, ge=1, description="a random window, each side down to 1/crop, is fitted into the frame of the scene"
    )
    crop_share: float = Field(0.25, ge=0, le=1, description="share of scenes that are cropped, if crop is above 1")
    zoom_out: float = Field(1.0, ge=1, description="the scene shrinks down to 1/zoom_out of each side of its frame")
    zoom_out_share: float = Field(0.25, ge=0, le=1, description="share that shrinks, if zoom_out is above 1")
    min_visible: float = Field(
        0.35,
        ge=0,
        le=1,
        description="who is visible to less than this share after zoom or crop is ignored, not learnt",
    )
    jitter: float = Field(0.0, ge=0, lt=1, description="largest relative change of brightness, contrast and colour")


class FinetuneConfig(TrainConfig):
    """STL step 2 (paper section 3.1): detection and identification on scenes."""

    step_of_stl = "finetune"

    augment: SceneAugmentConfig = SceneAugmentConfig()
    identity_loss: IdentityLossConfig = IdentityLossConfig()
    binet_like: BinetLikeConfig | None = Field(None, description="a second branch on crops; none in the paper")
    dkd_like: DkdLikeConfig | None = Field(None, description="a Re-ID network to learn from; none in the paper")
    batch_size: int = Field(16, ge=1)
    box_jitter: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="boxes that embeddings are trained on are moved at random and lose up to this much IoU; 0.4 = IoU "
        "of 0.6 to 1, as detections have",
    )
    freeze_bn: bool = Field(
        False,
        description="keep the statistics of the backbone's BatchNorm: for batches under 4, from weights of step 2 "
        "(MRFP's sum doubles what step 1's statistics expect)",
    )

    @property
    def batch_units(self) -> tuple[str, int]:
        """Scenes."""
        return "batch_size", self.batch_size

    @model_validator(mode="after")
    def _zoom_is_used(self) -> FinetuneConfig:
        if self.augment.zoom > 1 and self.augment.zoom_share == 0:
            raise ValueError("augment.zoom is set but augment.zoom_share is 0: nothing would be zoomed")
        shares = {name: getattr(self.augment, f"{name}_share") for name in ("zoom", "crop", "zoom_out")}
        used = [name for name in shares if getattr(self.augment, name) > 1]
        if sum(shares[name] for name in used) > 1:
            names = " + ".join(f"augment.{name}_share" for name in used)
            raise ValueError(f"{names} exceed 1: a scene is zoomed into, cropped or zoomed out, one of them")
        return self

    @model_validator(mode="after")
    def _teacher_has_predictions_to_compare(self) -> FinetuneConfig:
        if self.dkd_like is not None and self.identity_loss.kind == "oim":
            raise ValueError(
                "dkd_like compares identity predictions of two classifiers, and identity_loss.kind='oim' has a memory "
                "in place of one; remove one of them"
            )
        return self

    @model_validator(mode="after")
    def _frozen_statistics_exist(self) -> FinetuneConfig:
        if self.freeze_bn and self.init is None:
            raise ValueError("freeze_bn keeps the statistics that the weights came with; name the weights: init")
        return self


_RECIPES = Path(__file__).parent / "recipes"


def recipe_names() -> list[str]:
    """Return the names of the recipes that come with the package."""
    return sorted(path.stem for path in _RECIPES.glob("*.toml"))


def describe_recipes() -> dict[str, tuple[StepOfStl, str]]:
    """Return, for each recipe of the package, the step of STL that it is for and the first line of its comment."""
    recipes: dict[str, tuple[StepOfStl, str]] = {}
    for name in recipe_names():
        first_line = (_RECIPES / f"{name}.toml").read_text(encoding="utf-8").splitlines()[0]
        step: StepOfStl = "pretrain" if name.endswith("-pretrain") else "finetune"
        recipes[name] = (step, first_line.removeprefix("#").strip())
    return recipes


def load_pretrain(recipe: str | Path, overrides: list[str] | None = None) -> PretrainConfig:
    """Read a recipe of step 1. See :func:`load_finetune`."""
    return parse(PretrainConfig, _load(recipe, overrides or []), str(recipe))


def load_finetune(recipe: str | Path, overrides: list[str] | None = None) -> FinetuneConfig:
    """Read a recipe of step 2.

    Args:
        recipe: a TOML file, or the name of a recipe of the package. Paths in it are relative to the working folder.
        overrides: changes such as ``"optimizer.lr=0.001"``.

    Raises:
        ConfigError: names the file, the key and what is wrong.
    """
    return parse(FinetuneConfig, _load(recipe, overrides or []), str(recipe))


def _load(recipe: str | Path, overrides: list[str]) -> dict[str, Any]:
    packaged = isinstance(recipe, str) and recipe in recipe_names()
    path = _RECIPES / f"{recipe}.toml" if packaged else Path(recipe)
    given = load_toml(path)
    _forget_replaced_data(given, overrides)
    data = apply_overrides(given, overrides)
    model = data.get("model", {})
    if isinstance(model, dict) and "preset" in model:
        changes = {key: value for key, value in model.items() if key != "preset"}
        if model["preset"] not in preset_names():
            raise ConfigError(
                f"{recipe}: model.preset {model['preset']!r} is unknown; choose from {', '.join(preset_names())}"
            )
        data["model"] = merge(preset(model["preset"]).model_dump(), changes)
    return data


def _forget_replaced_data(recipe: dict[str, Any], overrides: list[str]) -> None:
    """Take the recipe's own set out where an override names several sets, and the other way round."""
    data = recipe.get("data")
    keys = {override.partition("=")[0].strip() for override in overrides}
    if isinstance(data, dict) and len(keys & {"data.sets", "data.annotations"}) == 1:
        gone = ("annotations", *_SourceConfig.model_fields) if "data.sets" in keys else ("sets",)
        for key in gone:
            data.pop(key, None)
