"""``init = "imagenet"``: the public files of ImageNet weights, where they are looked for, and how to get them.

The names of the files end with the first eight hex digits of their sha256, which torch.hub checks when it downloads
one; they are checked here whenever a file is used.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import torch

from personsearch.durable import sha256_of
from personsearch.errors import WeightsMismatchError, WeightsNotFoundError
from personsearch.weights.hub import HubOptions, fetch_file
from personsearch.weights.names import HubRepo

logger = logging.getLogger(__name__)

#: What ``init`` says for the public ImageNet weights of the backbone. No entry of weights.toml has this name.
IMAGENET = "imagenet"

_IBN_NET = "https://github.com/XingangPan/IBN-Net/releases/download/v1.0/"
_TORCHVISION = "https://download.pytorch.org/models/"
#: The pictures' own terms, which whoever uses the weights should know of.
_PICTURES = "trained on ImageNet-1k, whose pictures are for non-commercial research and education"


@dataclass(frozen=True)
class ImagenetFile:
    """A public file of ImageNet weights.

    Attributes:
        url: where it is published; ends with its name.
        sha256: 64 hex digits, or as many of the first ones as are published.
        publisher: who publishes it, and under which licence.
        copy: the same tensors in a repository on the Hub, pinned to a commit, if there is such a repository.
        copy_sha256: of the copy's file, as the Hub publishes it.
    """

    url: str
    sha256: str
    publisher: str
    copy: HubRepo | None = None
    copy_sha256: str | None = None

    @property
    def name(self) -> str:
        """The file's name, also in torch's cache."""
        return self.url.rpartition("/")[2]

    @property
    def command(self) -> str:
        """A command that downloads the file into torch's cache and checks its hash."""
        call = f"load_state_dict_from_url('{self.url}', map_location='cpu', check_hash=True, weights_only=True)"
        return f'python -c "import torch; torch.hub.{call}"'


#: Backbone -> its file. IBN-Net publishes only the eight digits in the names, and no repository on the Hub has its
#: files. Those of torchvision are IMAGENET1K_V1; timm's copies hold the same tensors by the same names.
FILES: Mapping[str, ImagenetFile] = MappingProxyType(
    {
        "resnet50_ibn_a": ImagenetFile(f"{_IBN_NET}resnet50_ibn_a-d9d0bb7b.pth", "d9d0bb7b", "IBN-Net (MIT)"),
        "resnet18_ibn_a": ImagenetFile(f"{_IBN_NET}resnet18_ibn_a-2f571257.pth", "2f571257", "IBN-Net (MIT)"),
        "resnet50": ImagenetFile(
            f"{_TORCHVISION}resnet50-0676ba61.pth",
            "0676ba61b6795bbe1773cffd859882e5e297624d384b6993f7c9e683e722fb8a",
            "torchvision (BSD-3-Clause)",
            HubRepo("timm/resnet50.tv_in1k", "78f3ecfdb38e06d9b8397f662e7ab8fee96026fa", "model.safetensors"),
            "5d061a3c593d795bfe682d9b152bafbcf550579873492def3515b46db1189888",
        ),
        "resnet18": ImagenetFile(
            f"{_TORCHVISION}resnet18-f37072fd.pth",
            "f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec",
            "torchvision (BSD-3-Clause)",
            HubRepo("timm/resnet18.tv_in1k", "bbd144b3e5565108aad885f145491d11bc6ce807", "model.safetensors"),
            "694f673df6520a3158624e8a89af086f59923ee4cd7436fe5bc3bc71d295ad81",
        ),
    }
)


def locate_imagenet(backbone: str, options: HubOptions | None = None) -> Path:
    """Return the file of a backbone's ImageNet weights: from torch's cache, else from a repository on the Hub.

    torch's cache is ``checkpoints`` in ``torch.hub.get_dir()``, by default ``~/.cache/torch/hub``. Nothing is
    downloaded except from the Hub, which only has torchvision's.

    Args:
        backbone: as in :class:`personsearch.models.ModelConfig`.
        options: how to reach the Hub.

    Returns:
        A file whose sha256 is, or begins as, the published one.

    Raises:
        WeightsNotFoundError: it is in neither; names the file, its address and a command that gets it.
        WeightsMismatchError: the file that is there has another sha256.

    Example:
        >>> FILES["resnet50_ibn_a"].name
        'resnet50_ibn_a-d9d0bb7b.pth'
    """
    file = FILES[backbone]
    path = Path(torch.hub.get_dir()) / "checkpoints" / file.name
    if os.path.isfile(path):
        _verify(path, file.sha256, f"delete it and get it again by\n  {file.command}")
        return _told(path, file)
    missing = f"{IMAGENET}: {file.name} ({file.url}) is not in {path.parent}"
    if file.copy is not None:
        try:
            copy = fetch_file(file.copy, options)
        except WeightsNotFoundError as error:
            missing += f", and its copy cannot be had: {str(error).split('; ')[0]}"
        else:
            _verify(copy, file.copy_sha256 or "", "delete it, so that it is fetched again")
            return _told(copy, file)
    raise WeightsNotFoundError(
        f"{missing}. With a connection, get it once by\n  {file.command}\n"
        f"or name a file of such weights that you have: init=./{file.name}"
    )


def _told(path: Path, file: ImagenetFile) -> Path:
    logger.info("%s weights %s: published by %s, %s", IMAGENET, file.name, file.publisher, _PICTURES)
    return path


def _verify(path: Path, expected: str, remedy: str) -> None:
    actual = sha256_of(path)
    if not actual.startswith(expected):
        whole = "is" if len(expected) == len(actual) else "begins with"
        raise WeightsMismatchError(
            f"{path}: damaged, or another file than it is called after: its sha256 {whole} "
            f"{actual[: len(expected)]}, not {expected}; {remedy}"
        )
