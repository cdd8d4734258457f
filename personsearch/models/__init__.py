"""The networks as pure ``torch.nn`` modules, and their configuration: no files, no Hub, no numpy images."""

from personsearch.models.backbone import ReidNetwork
from personsearch.models.config import ANCHORS, AnchorConfig, ModelConfig, preset, preset_names
from personsearch.models.network import People, PersonSearchNetwork, SceneGroup, Target, TrainingOutput, build

__all__ = [
    "ANCHORS",
    "AnchorConfig",
    "ModelConfig",
    "People",
    "PersonSearchNetwork",
    "ReidNetwork",
    "SceneGroup",
    "Target",
    "TrainingOutput",
    "build",
    "preset",
    "preset_names",
]
