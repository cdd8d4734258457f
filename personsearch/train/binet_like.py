"""BINet-like training: a second branch sees the people of a scene as crops, and both branches shall see the same.

After Dong et al., *Bi-directional Interaction Network for Person Search*, CVPR 2020 (paper ref [9]), whose equations
could not be read: the definitions here are ours, hence the name.
"""

from __future__ import annotations

from pydantic import Field

from personsearch.config import StrictModel


class BinetLikeConfig(StrictModel):
    """Weights of the losses between a scene's people and the same people as crops."""

    features: float = Field(1.0, ge=0, description="of the distance between the features of both branches")
    predictions: float = Field(1.0, ge=0, description="of the divergence between their identity predictions")
    identity: float = Field(1.0, ge=0, description="of the identity loss on the crops")
