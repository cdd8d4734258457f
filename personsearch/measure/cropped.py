"""People embedded by themselves: the second step of a two-step cascade, a re-identification network on crops."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional as F

from personsearch.boxes import checked_boxes
from personsearch.device import choose_device
from personsearch.errors import WeightsNotFoundError
from personsearch.fast.folding import fold_batch_norms
from personsearch.fast.pointwise import make_pointwise
from personsearch.models import ModelConfig, ReidNetwork
from personsearch.pictures.cutting import cut_person
from personsearch.pictures.decode import ChannelOrder, ImageInput, describe, load_image
from personsearch.results import Floats
from personsearch.weights.files import BACKBONE_FILE, MODEL_FILE, fill, fingerprint, read_config, read_tensors
from personsearch.weights.names import Folder

#: Crops that go through the network together.
BATCH = 64


class CropEmbedder:
    """Embeds boxes of a picture one by one: each is cut out and shown alone to a re-identification network.

    The network is what step 1 of STL trains; an embedding is its BNNeck's output, of unit length. It sees nothing of a
    scene but the box, in the size of the crops it was trained on, cut by the very function that cut those.

    Attributes:
        config: of its weights: backbone, size of the crops, colours.
        fingerprint: of its weights, 64 hex digits.
        device: where it computes, in float32 always.

    Example:
        >>> from personsearch.measure.cropped import CropEmbedder
        >>> embedder = CropEmbedder.from_folder("runs/step1/weights", device="cpu")
        >>> embeddings = embedder.embed_boxes(query, [box, (20, 300, 200, 640)])
        >>> embeddings.shape == (2, embedder.embedding_size)
        True
    """

    def __init__(
        self,
        network: ReidNetwork,
        config: ModelConfig,
        *,
        device: str | torch.device | None = None,
        fast: bool = True,
    ) -> None:
        """Wrap a network that is already built.

        Args:
            network: switched to evaluation mode and moved.
            config: which it was built by.
            device: default cuda, then mps, then cpu.
            fast: fold its layers for speed, as a searcher does, so that it can be neither trained nor saved any more;
                embeddings are the same up to rounding.

        Raises:
            ConfigError: the device is not there.
        """
        self.config = config
        self.fingerprint = fingerprint(config, network.state_dict())
        self.device = choose_device(device)
        self._network = network.eval().float()
        if fast:
            fold_batch_norms(self._network)
            make_pointwise(self._network)
            self._network.to(memory_format=torch.channels_last)
        self._network.requires_grad_(False).to(self.device)
        self._mean = torch.tensor(config.input.mean, device=self.device).view(1, 3, 1, 1)
        self._std = torch.tensor(config.input.std, device=self.device).view(1, 3, 1, 1)

    @classmethod
    def from_folder(
        cls, folder: str | os.PathLike[str], *, device: str | torch.device | None = None, fast: bool = True
    ) -> CropEmbedder:
        """Load the weights folder of step 1: ``config.json`` beside ``backbone.safetensors``.

        Args:
            folder: ``RUN/weights`` of ``personsearch train pretrain RECIPE RUN``.
            device: see the constructor.
            fast: see the constructor.

        Raises:
            ConfigError: the device is not there, or the configuration has a wrong key.
            WeightsNotFoundError: the folder does not hold step 1's weights; says where they are, if that is known.
            WeightsMismatchError: the files are damaged or do not belong together.
        """
        path = Path(folder).expanduser()
        config = reid_config(path)
        network = ReidNetwork(config.backbone, config.feature_size)
        fill(network, read_tensors(path / BACKBONE_FILE), str(path / BACKBONE_FILE))
        return cls(network, config, device=device, fast=fast)

    @property
    def embedding_size(self) -> int:
        """Length of an embedding."""
        return self.config.feature_size

    @property
    def crop_size(self) -> tuple[int, int]:
        """Height and width of the crops that the network sees, pixels."""
        height, width = self.config.crop_size
        return height, width

    def embed_boxes(
        self,
        image: ImageInput,
        boxes: Sequence[Sequence[float]] | NDArray[Any],
        *,
        channel_order: ChannelOrder = "RGB",
    ) -> Floats:
        """Cut boxes out of one scene and embed them.

        Args:
            image: the scene; see ``personsearch.pictures.decode.ImageInput``.
            boxes: (N, 4) xyxy pixels of the original image; clipped to it.
            channel_order: of arrays and tensors.

        Returns:
            (N, D) float32, unit length.

        Raises:
            ImageError: the image cannot be used, or a box is not finite or has no area inside it.
        """
        pixels = load_image(image, channel_order=channel_order)
        checked = checked_boxes(boxes, (pixels.shape[0], pixels.shape[1]), describe(image))
        picture = Image.fromarray(pixels)
        height, width = self.crop_size
        embeddings = np.zeros((len(checked), self.embedding_size), np.float32)
        for begin in range(0, len(checked), BATCH):
            part = slice(begin, begin + BATCH)
            crops = [cut_person(picture, box, height, width) for box in checked[part]]
            embeddings[part] = self.embed_crops(np.stack(crops))
        return embeddings

    def embed_crops(self, crops: NDArray[np.uint8]) -> Floats:
        """Embed crops that are cut already.

        Args:
            crops: (N, h, w, 3) uint8 RGB of :attr:`crop_size`, N > 0; all go through the network together.

        Returns:
            (N, D) float32, unit length.
        """
        with torch.inference_mode():
            images = torch.from_numpy(crops).to(self.device).permute(0, 3, 1, 2).float() / 255
            _, necked = self._network((images - self._mean) / self._std)
            embeddings: Floats = F.normalize(necked.float(), dim=1).cpu().numpy()
        return embeddings


def reid_config(folder: str | os.PathLike[str]) -> ModelConfig:
    """Read the configuration of step 1's weights, once it is known that the folder holds them.

    Args:
        folder: the weights folder.

    Raises:
        ConfigError: the configuration has a wrong key.
        WeightsNotFoundError: the folder does not hold step 1's weights; says where they are, if that is known.
        WeightsMismatchError: the configuration is damaged.
    """
    path = Path(folder).expanduser()
    needed = f"give the weights folder of 'personsearch train pretrain', which holds {BACKBONE_FILE}"
    if path.is_file():
        raise WeightsNotFoundError(f"{path}: a file; {needed}")
    if not path.is_dir():
        raise WeightsNotFoundError(f"{path}: no such folder; {needed}")
    if not (path / BACKBONE_FILE).is_file():
        if (path / "weights" / BACKBONE_FILE).is_file():
            raise WeightsNotFoundError(f"{path}: a run of step 1; its weights are in {Folder(path / 'weights')}")
        for weights in (path, path / "weights"):
            if (weights / MODEL_FILE).is_file():
                began = _began_with(weights.parent)
                raise WeightsNotFoundError(
                    f"{path}: holds the weights of step 2, a whole person-search network, and the second step of a "
                    f"cascade is one that step 1 trained: "
                    + (f"this one began with {Folder(began)}; give that" if began else needed)
                )
        raise WeightsNotFoundError(f"{path}: has no {BACKBONE_FILE}; {needed}")
    return read_config(path)


def _began_with(run: Path) -> Path | None:
    """Return the weights folder of step 1 that a run of step 2 began with, if its recipe says so and it is there."""
    try:
        recipe = json.loads((run / "recipe.json").read_text(encoding="utf-8"))
        began = Path(recipe["recipe"]["init"]).expanduser()
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return began if (began / BACKBONE_FILE).is_file() else None
