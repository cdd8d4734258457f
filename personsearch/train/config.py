"""Recipes: what a TOML file may say about the two steps of STL."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from personsearch.config import StrictModel, apply_overrides, load_toml, merge, parse
from personsearch.errors import ConfigError
from personsearch.models import ModelConfig, preset, preset_names
from personsearch.train.schedule import ScheduleConfig


class DataConfig(StrictModel):
    """The training split of a set in any format of ``personsearch.datasets.load_dataset``."""

    annotations: str = Field(min_length=1, description="COCO-style json file, or the folder of a set")
    images: str | None = Field(None, description="folder of the images; default: where the format has them")
    format: str | None = Field(
        None, description="coco, prw, cuhk-sysu, mot, ...; default: the one whose files are there"
    )
    skip_bad: bool | None = Field(
        None, description="true: pass over what is malformed or missing, and do not ask for the published counts"
    )
    holdout_places: tuple[str, ...] = Field((), description="places kept out of training, for validation")


class OptimizerConfig(StrictModel):
    """The optimiser of the network and its classifier."""

    name: Literal["adam", "adamw", "sgd"]
    lr: float = Field(gt=0)
    weight_decay: float = Field(0.0, ge=0)
    momentum: float = Field(0.9, ge=0, lt=1, description="sgd only")
    nesterov: bool = Field(False, description="sgd only")


class RunConfig(StrictModel):
    """What both steps share: where, on what and how carefully to run."""

    out: str = Field(min_length=1, description="folder of the run")
    seed: int = Field(1, ge=0)
    device: str | None = Field(None, description="cuda, cpu, ...; default: cuda where there is one")
    precision: Literal["float32", "bfloat16", "float16"] = Field(
        "float32", description="of the network under autocast; losses, boxes and distances are float32 always"
    )
    num_workers: int = Field(1, ge=0, description="processes that load and augment")
    log_every: int = Field(20, ge=1, description="steps between rows of metrics.jsonl")
    checkpoint_every: int = Field(100, ge=1, description="steps between checkpoints; each epoch ends with one too")
    validate_every: int = Field(1, ge=1, description="epochs between validations on the held-out places")
    tensorboard: bool = Field(False, description="also write TensorBoard's files into out (personsearch[train])")


class StepsConfig(StrictModel):
    """How a batch becomes a step. The paper needs none of it."""

    accumulate: int = Field(1, ge=1, description="a batch goes through the network in so many parts")
    clip_norm: float | None = Field(None, gt=0, description="gradients are scaled down to this norm")
    ema_decay: float | None = Field(None, gt=0, lt=1, description="validate and keep a running mean of the weights")
    patience: int | None = Field(None, ge=1, description="stop after so many validations without a better one")


class CropAugmentConfig(StrictModel):
    """Augmentation of Re-ID crops (paper section 4.3: flip and erasing; padding is of the strong baseline)."""

    flip: float = Field(0.5, ge=0, le=1)
    pad: int = Field(10, ge=0, description="pixels of black border before the random crop")
    erasing: float = Field(0.5, ge=0, le=1)
    jitter: float = Field(0.0, ge=0, lt=1, description="brightness, contrast and colour change by up to this share")


class ReidLossConfig(StrictModel):
    """Paper Eq. 1; Table 6 leaves out the centre loss, then the triplet loss too."""

    triplet: bool = Field(True, description="false: softmax alone, and batches are shuffled plainly (Table 6)")
    label_smoothing: float = Field(0.1, ge=0, lt=1)
    triplet_margin: float = Field(0.3, ge=0)
    center_weight: float = Field(5e-4, ge=0, description="lambda of Eq. 1; 0 leaves the centre loss out")
    center_lr: float = Field(0.5, gt=0, description="of the centres' own SGD")


class IdentityLossConfig(StrictModel):
    """Identity loss of step 2. The paper's is cross-entropy; the others are the re-weighting losses of its Table 4."""

    kind: Literal["cross_entropy", "class_balanced", "focal"] = "cross_entropy"
    beta: float = Field(0.9999, ge=0, lt=1, description="class_balanced: 1 - 1/N of the effective number (ref [8])")
    gamma: float = Field(2.0, ge=0, description="focal: how much easy samples are toned down (ref [21])")


class TrainConfig(StrictModel):
    """What the recipes of both steps say."""

    run: RunConfig
    model: ModelConfig
    data: DataConfig
    optimizer: OptimizerConfig
    schedule: ScheduleConfig
    steps: StepsConfig = StepsConfig()
    init: str | None = Field(
        None,
        description="where the weights start: a name of weights.toml; a weights folder; a file of ImageNet weights "
        "(.pth, .safetensors); hf://org/repo[@revision][/file]; none = random, said in the log",
    )


class PretrainConfig(TrainConfig):
    """STL step 1 (paper section 3.2): the backbone on Re-ID crops."""

    augment: CropAugmentConfig = CropAugmentConfig()
    losses: ReidLossConfig = ReidLossConfig()
    num_identities: int = Field(16, ge=2, description="P of class-aware sampling")
    num_instances: int = Field(4, ge=1, description="K of class-aware sampling")

    @property
    def batch_size(self) -> int:
        """P x K."""
        return self.num_identities * self.num_instances


class SceneAugmentConfig(StrictModel):
    """Augmentation of scenes. The paper flips only."""

    flip: float = Field(0.5, ge=0, le=1)
    zoom: float = Field(1.0, ge=1, description="a random window down to 1/zoom of each side becomes the scene")
    zoom_share: float = Field(0.5, ge=0, le=1, description="share of scenes that are zoomed into")
    jitter: float = Field(0.0, ge=0, lt=1, description="brightness, contrast and colour change by up to this share")


class FinetuneConfig(TrainConfig):
    """STL step 2 (paper section 3.3): detection and identification on scenes."""

    augment: SceneAugmentConfig = SceneAugmentConfig()
    identity_loss: IdentityLossConfig = IdentityLossConfig()
    batch_size: int = Field(16, ge=1)
    freeze_bn: bool = Field(
        False,
        description="the backbone's BatchNorm keeps the statistics it came with: for batches under 4, from weights of "
        "step 2 (MRFP's sum doubles what step 1's statistics expect)",
    )

    @model_validator(mode="after")
    def _zoom_is_used(self) -> FinetuneConfig:
        if self.augment.zoom > 1 and self.augment.zoom_share == 0:
            raise ValueError("augment.zoom is set but augment.zoom_share is 0: nothing would be zoomed")
        return self

    @model_validator(mode="after")
    def _frozen_statistics_exist(self) -> FinetuneConfig:
        if self.freeze_bn and self.init is None:
            raise ValueError("freeze_bn keeps the statistics that the weights came with; name the weights: init")
        return self


def recipe_names() -> list[str]:
    """Names of the recipes that come with the package."""
    return sorted(path.stem for path in _RECIPES.glob("*.toml"))


def describe_recipes() -> dict[str, tuple[str, str]]:
    """Return, by name, the step of STL that each recipe of the package is for and the first line of its comment."""
    told = {}
    for name in recipe_names():
        first = (_RECIPES / f"{name}.toml").read_text(encoding="utf-8").splitlines()[0]
        told[name] = ("pretrain" if name.endswith("-pretrain") else "finetune", first.removeprefix("#").strip())
    return told


_RECIPES = Path(__file__).parent / "recipes"


def load_pretrain(recipe: str | Path, overrides: list[str] | None = None) -> PretrainConfig:
    """Read a recipe of step 1. See :func:`load_finetune`."""
    return parse(PretrainConfig, _load(recipe, overrides or []), str(recipe))


def load_finetune(recipe: str | Path, overrides: list[str] | None = None) -> FinetuneConfig:
    """Read a recipe of step 2.

    Args:
        recipe: a TOML file, or the name of a recipe of the package. Paths in it are relative to the working folder.
        overrides: ``"optimizer.lr=0.001"`` and the like.

    Raises:
        ConfigError: names the file, the key and what is wrong.
    """
    return parse(FinetuneConfig, _load(recipe, overrides or []), str(recipe))


def _load(recipe: str | Path, overrides: list[str]) -> dict[str, Any]:
    packaged = _RECIPES / f"{recipe}.toml"
    path = packaged if isinstance(recipe, str) and recipe in recipe_names() else Path(recipe)
    data = apply_overrides(load_toml(path), overrides)
    model = data.get("model", {})
    if isinstance(model, dict) and "preset" in model:
        changes = {key: value for key, value in model.items() if key != "preset"}
        if model["preset"] not in preset_names():
            raise ConfigError(f"{recipe}: model.preset {model['preset']!r} is none of {', '.join(preset_names())}")
        data["model"] = merge(preset(model["preset"]).model_dump(), changes)
    return data
