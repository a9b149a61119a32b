"""A GAN's two networks, and a compiled model each that trains one of them and leaves the other as it is."""

from dataclasses import dataclass

import keras
import numpy as np

from models import gan
from models.parts.compiling import jit_compile
from pipeline.config.schema import Generate
from pipeline.storage.task_data import TaskData

EMA_MOMENTUM = 0.995  # of the generator's weights that make the images


@dataclass(frozen=True)
class Gan:
    """Two networks, and what trains one of them each."""

    generator: keras.Model
    discriminator: keras.Model
    generator_step: keras.Model
    discriminator_step: keras.Model

    def groups(self) -> dict[str, list]:
        """Return all variables, under the names that they are saved by."""
        return {
            "generator": self.generator.variables,
            "discriminator": self.discriminator.variables,
            "generator_optimiser": self.generator_step.optimizer.variables,
            "discriminator_optimiser": self.discriminator_step.optimizer.variables,
        }


def build_gan(data: TaskData, options: Generate) -> Gan:
    """Return a fresh GAN for a task's images."""
    shape, classes = tuple(data.about["image"]), len(data.classes)
    generator = gan.build_generator(shape, classes, options.latent_units, options.filters)
    discriminator = gan.build_discriminator(shape, classes, options.filters)
    made = Gan(
        generator,
        discriminator,
        gan.generator_step(generator, discriminator),
        gan.discriminator_step(generator, discriminator),
    )
    made.discriminator_step.compile(_adam(options), loss="hinge", jit_compile=jit_compile())
    averaged = _adam(options, use_ema=True, ema_momentum=EMA_MOMENTUM)
    made.generator_step.compile(averaged, loss=_minus_scores, jit_compile=jit_compile())
    made.discriminator_step.optimizer.build(discriminator.trainable_variables)
    made.generator_step.optimizer.build(generator.trainable_variables)
    return made


def train_on(made: Gan, images: np.ndarray, labels: np.ndarray, noise: np.ndarray) -> tuple[float, float]:
    """Move the discriminator, then the generator, by one batch, and return their mean losses of the epoch so far.

    Args:
        images: uint8 (batch, height, width, channels), real.
        labels: int32 (batch,), their classes; generated images are of the same.
        noise: float32 (2, batch, latent_units), for each of the two.
    """
    real = np.ones((len(images), 1), np.float32)
    made.generator.trainable, made.discriminator.trainable = False, True
    first = made.discriminator_step.train_on_batch([images, labels, noise[0]], np.concatenate([real, -real]))
    made.generator.trainable, made.discriminator.trainable = True, False
    second = made.generator_step.train_on_batch([noise[1], labels], real)
    made.discriminator.trainable = True
    return float(first), float(second)


def _adam(options: Generate, **others: float) -> keras.Optimizer:
    return keras.optimizers.Adam(options.learning_rate, beta_1=0.5, beta_2=0.99, **others)


def _minus_scores(targets: keras.KerasTensor, scores: keras.KerasTensor) -> keras.KerasTensor:
    return -targets * scores
