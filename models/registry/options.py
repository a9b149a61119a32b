"""Types of options with their bounds. They annotate the parameters of `build`, and are read without Keras."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from models.registry.backbones import backbones

Count = Annotated[int, Field(ge=1, le=65_536)]  # of filters, units or blocks
Counts = Annotated[Sequence[Count], Field(min_length=1, max_length=64)]
SomeCounts = Annotated[Sequence[Count], Field(max_length=64)]  # perhaps none
TwoCounts = Annotated[Sequence[Count], Field(min_length=2, max_length=2)]
ThreeCounts = Annotated[Sequence[Count], Field(min_length=3, max_length=3)]
FourCounts = Annotated[Sequence[Count], Field(min_length=4, max_length=4)]
FiveCounts = Annotated[Sequence[Count], Field(min_length=5, max_length=5)]
Dropout = Annotated[float, Field(ge=0, lt=1)]
TwoDropouts = Annotated[Sequence[Dropout], Field(min_length=2, max_length=2)]
Width = Annotated[float, Field(gt=0, le=64)]  # a multiple of all filters
Side = Annotated[int, Field(ge=8, le=4096)]  # pixels
Penalty = Annotated[float, Field(gt=0, le=1e6)]
File = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]+$", max_length=4096)]
Pooling = Literal["max", "average"]
Activation = Literal[
    "relu", "leaky_relu", "gelu", "elu", "selu", "silu", "swish", "mish", "relu6", "celu", "softplus", "softsign",
    "hard_sigmoid", "hard_silu", "hard_tanh", "sigmoid", "tanh", "exponential", "linear",
]  # fmt: skip
if TYPE_CHECKING:
    Backbone = str
else:
    Backbone = Literal[*backbones()]  # of the installed Keras
