"""The random changes of training images, and their strengths."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
Alpha = Annotated[float, Field(ge=0, le=100)]


class Augment(BaseModel):
    """The random changes, which are drawn anew every epoch. By default there are none."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    flip: bool = Field(False, description="left to right, each image with probability one half")
    alternating_flip: bool = Field(False, description="left to right, each image in every other epoch")
    vertical_flip: bool = False
    shift_pixels: int = Field(0, ge=0, le=4096, description="either way on each axis")
    shift_share: Share = Field(0.0, description="of each side, either way; rounded to pixels")
    rotation_degrees: float = Field(0.0, ge=0, le=180, description="either way")
    rescale_share: float = Field(0.0, ge=0, le=10, description="between 1 / (1 + share) and 1 + share times as large")
    shear_degrees: float = Field(0.0, ge=0, lt=90, description="either way")
    crop_share: float = Field(0.0, ge=0, lt=1, description="cut off at most, the rest enlarged")
    area_crop_share: float = Field(
        0.0, ge=0, lt=1, description="of the area, cut off at most in a window of another shape, the rest enlarged"
    )
    brightness_share: Share = Field(0.0, description="of 255, either way")
    contrast_share: Share = Field(0.0, description="either way")
    saturation_share: Share = Field(0.0, description="either way, for images of three channels")
    hue_share: float = Field(0.0, ge=0, le=0.5, description="of a full turn, either way, for images of three channels")
    trivial_augment: bool = Field(False, description="one random change of random strength for each image")
    erase_probability: Share = Field(0.0, description="of a rectangle of noise")
    cutout_pixels: int = Field(0, ge=0, le=16_384, description="side of a black square")
    mixup_alpha: Alpha = Field(0.0, description="of the Beta distribution of shares; 0: off")
    cutmix_alpha: Alpha = Field(0.0, description="of the Beta distribution of the area that is cut; 0: off")
    ricap_beta: Alpha = Field(0.0, description="where several mix, each batch draws one of them; 0: off")
