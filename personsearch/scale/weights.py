"""Weights as workers get them: from this process, so that no other machine needs their files or the Hub."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from safetensors.torch import load, save

from personsearch.models import ModelConfig, PersonSearchNetwork, build


@dataclass(frozen=True)
class Packed:
    """A network as bytes.

    Attributes:
        config: of ModelConfig.
        tensors: a safetensors file.
    """

    config: dict[str, Any]
    tensors: bytes

    @classmethod
    def of(cls, network: PersonSearchNetwork) -> Packed:
        """Pack a network."""
        tensors = {key: tensor.detach().cpu().contiguous() for key, tensor in network.state_dict().items()}
        return cls(network.config.model_dump(mode="json"), save(tensors))

    def network(self) -> PersonSearchNetwork:
        """Build the network again, on the CPU."""
        network = build(ModelConfig.model_validate(self.config))
        network.load_state_dict(load(self.tensors))
        return network.eval()
