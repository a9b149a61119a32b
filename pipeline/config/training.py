"""The settings of training, one block of a member's entry."""

from typing import Literal

from pydantic import Field, model_validator

from pipeline.config.fields import (
    BatchSize,
    Block,
    Decay,
    Epochs,
    Rate,
    Seed,
    ShareBelowOne,
    Sizes,
    SomeEpochs,
    TunedLayers,
)


class Training(Block):
    """The settings of training."""

    epochs: Epochs = 10
    batch_size: BatchSize | None = Field(None, description="null: chosen by the number of training images")
    optimiser: Literal["sgd", "adam", "adamw", "rmsprop", "muon"] = "adamw"
    loss: Literal["cross_entropy", "nll", "binary_cross_entropy"] = Field(
        "cross_entropy", description="for tasks with one label for each image"
    )
    imbalance: Literal["none", "class_weights", "balanced_sampling", "focal", "logit_adjustment"] = Field(
        "none", description="what training does about rare classes, see docs/imbalance.md"
    )
    learning_rate: Rate = Field(1e-3, description="the highest one, if the schedule changes it")
    schedule: Literal["constant", "plateau", "cosine", "one_cycle", "inverse_time"] = "one_cycle"
    learning_rate_decay: Decay = Field(0.0, description="for each step, with schedule inverse_time")
    plateau_factor: float = Field(0.316, gt=0, lt=1)
    plateau_patience_epochs: SomeEpochs = 3
    minimum_learning_rate: Decay = 5e-7
    momentum: ShareBelowOne = Field(0.9, description="for sgd and muon; 0: plain SGD")
    weight_decay: Decay = 0.0
    label_smoothing: ShareBelowOne = 0.0
    ema_momentum: ShareBelowOne = Field(0.0, description="0: no exponential moving average of the weights")
    global_clipnorm: float = Field(
        0.0, ge=0, description="largest norm of all gradients together, longer ones are scaled down; 0: no limit"
    )
    gradient_accumulation_steps: int = Field(
        1, ge=1, le=4096, description="batches whose mean gradient makes one step, as one batch of all their images"
    )
    progressive_pixels: Sizes = Field(
        (), description="[height, width] of the network's input in earlier parts of the epochs; its own size is last"
    )
    monitor: Literal["metric", "val_loss", "val_accuracy", "none"] = Field(
        "metric", description="the figure whose best epoch is kept; metric: the task's; none: keep the last epoch"
    )
    kept_epoch: Literal["best", "last"] = Field(
        "best", description="best: by monitor; last: the last one, while early stopping and plateau still use monitor"
    )
    soup_epochs: int = Field(
        0,
        ge=0,
        le=100,
        description="average the weights of this many of the best epochs, as far as that improves the monitor; with "
        "monitor none, of the last epochs; 0: one epoch",
    )
    early_stopping_patience_epochs: SomeEpochs = Field(0, description="0: no early stopping")
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16", "auto"] = Field(
        "float32", description="auto: the faster one"
    )
    frozen_epochs: SomeEpochs = Field(
        0, description="the first epochs, in which only a pretrained network's last layer is trained"
    )
    tuned_layers: TunedLayers = Field(
        4,
        description="the last layers with weights, which are trained after the frozen epochs; "
        "a list: for equal parts of these epochs, so that the network thaws step by step",
    )
    tuned_learning_rate: Rate = Field(1e-5, description="after the frozen epochs")
    first_layer_rate_share: float = Field(
        1.0,
        gt=0,
        le=1,
        description="of the learning rate, for a pretrained network's first trained layer; it grows up to 1 at its end",
    )
    train_on_all: bool = Field(False, description="train one more model on all rows, which predicts the test rows")
    seed: Seed = 0

    @model_validator(mode="after")
    def _check_fine_tuning(self) -> "Training":
        if isinstance(self.tuned_layers, tuple) and not self.frozen_epochs:
            raise ValueError("tuned_layers has several numbers, which needs frozen_epochs")
        if self.gradient_accumulation_steps > 1 and self.precision == "mixed_float16":
            raise ValueError("gradient_accumulation_steps needs another precision than mixed_float16")
        if self.progressive_pixels and (self.early_stopping_patience_epochs or self.schedule == "plateau"):
            raise ValueError("progressive_pixels, but early stopping and schedule 'plateau' need images of one size")
        if len(self.progressive_pixels) >= self.epochs:
            raise ValueError(f"progressive_pixels has {len(self.progressive_pixels)} sizes, expected more epochs")
        return self

    @model_validator(mode="after")
    def _check_imbalance(self) -> "Training":
        if self.imbalance not in ("none", "focal") and self.loss == "binary_cross_entropy":
            raise ValueError(f"imbalance {self.imbalance!r} needs loss cross_entropy, not binary_cross_entropy")
        return self

    @model_validator(mode="after")
    def _check_monitor(self) -> "Training":
        if self.monitor == "none" and (self.early_stopping_patience_epochs or self.schedule == "plateau"):
            raise ValueError("monitor 'none', but early stopping and schedule 'plateau' watch a figure")
        return self
