"""The block `ablations` of `params.yaml`: comparisons of variants of a member."""

from typing import Any

from pydantic import Field, field_validator

from pipeline.config.fields import Block, Epochs, Name


class Ablation(Block):
    """A comparison of variants of a member. Each variant changes some settings and keeps all others."""

    member: Name
    variants: tuple[dict[str, Any], ...] = Field(
        min_length=1, description="settings by path, such as training.momentum or split.holdout_share; {}: no change"
    )
    epoch: Epochs | None = Field(None, description="shown beside the best epoch; null: the last epoch")
    seeds: int = Field(1, ge=1, le=100, description="trainings of each variant, from training.seed on")

    @field_validator("variants", mode="before")
    @classmethod
    def _as_tuple(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value
