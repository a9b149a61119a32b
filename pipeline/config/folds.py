"""The block of a task's entry about its folds."""

from typing import Any

from pydantic import Field, model_validator

from pipeline.config.fields import Block, Seed, Text


class Folds(Block):
    """The split into folds."""

    preset: str | None = Field(None, description="of presets.yaml")
    count: int = Field(5, ge=1, le=1000)
    repeats: int = Field(
        1, ge=1, le=100, description="splits into folds, each with other folds, whose models are averaged"
    )
    holdout_share: float = Field(0.2, gt=0, lt=1, description="used if count is 1")
    group_column: Text | None = Field(
        None, description="a column of the label file, such as patient: its rows with one value stay in one fold"
    )
    time_column: Text | None = Field(
        None, description="a column of the label file with numbers or dates: the latest rows validate, with count 1"
    )
    near_copies: bool | None = Field(
        None, description="keep near-copies of an image in one fold; null: for images of 64x64 and larger without items"
    )
    seed: Seed = 0

    @model_validator(mode="before")
    @classmethod
    def _hold_out_in_time(cls, value: Any) -> Any:
        """With a time column, the default is a hold-out."""
        return {"count": 1, **value} if isinstance(value, dict) and value.get("time_column") is not None else value

    @model_validator(mode="after")
    def _check_count(self) -> "Folds":
        if self.time_column is not None and self.count != 1:
            raise ValueError(f"time_column needs count: 1, a hold-out of the latest rows, not count {self.count}")
        if self.repeats > 1 and self.count == 1:
            raise ValueError(f"{self.repeats} repeats need count: 2 or more, as a hold-out leaves rows without a score")
        return self
