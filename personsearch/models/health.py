"""What is said, once, of weights that compute nonsense."""

from __future__ import annotations

import logging

import torch

logger = logging.getLogger(__name__)


class Diverged:
    """Warns that weights look diverged, once in the life of the network that has it."""

    def __init__(self) -> None:
        self._said = False

    def say(self, what: str, dtype: torch.dtype) -> None:
        """Warn, unless it was said before.

        Args:
            what: the network does, as in "proposes no region".
            dtype: that it computes in.
        """
        if not self._said:
            self._said = True
            logger.warning(
                "the network %s%s; nobody is found where that happens: these weights look diverged, as by too high a "
                "learning rate. Use others",
                what,
                "" if dtype == torch.float32 else f" ({dtype} may overflow: try float32)",
            )
