"""DKD-like training: the person-search network learns from a Re-ID network of step 1, which sees crops.

After Zhang et al., *Diverse Knowledge Distillation for End-to-End Person Search*, AAAI 2021 (paper ref [40]), whose
equations could not be read: the definitions here are ours, hence the name.
"""

from __future__ import annotations

from pydantic import Field

from personsearch.config import StrictModel


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
