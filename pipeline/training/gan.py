"""A GAN's two networks, and two compiled models, each of which trains one network and leaves the other unchanged."""

from dataclasses import dataclass

import keras
import numpy as np

from models import gan
from models.parts.compiling import jit_compile
from pipeline.config.schema import Generate
from pipeline.storage.task_data import TaskData

EMA_MOMENTUM = 0.995  # for the average of the generator's weights, which generates the images


@dataclass(frozen=True)
class Gan:
    """Two networks, and the models that train one of them each."""

    generator: keras.Model
    discriminator: keras.Model
    generator_step: keras.Model
    discriminator_step: keras.Model

    def groups(self) -> dict[str, list]:
        """Return all variables in named groups, as they are saved."""
        return {
            "generator": self.generator.variables,
            "discriminator": self.discriminator.variables,
            "generator_optimiser": self.generator_step.optimizer.variables,
            "discriminator_optimiser": self.discriminator_step.optimizer.variables,
        }


def build_gan(data: TaskData, options: Generate) -> Gan:
    """Return a new GAN for a task's images."""
    shape, classes = tuple(data.about["image"]), len(data.classes)
    generator = gan.build_generator(shape, classes, options.latent_units, options.filters)
    discriminator = gan.build_discriminator(shape, classes, options.filters)
    generator_step = gan.generator_step(generator, discriminator)
    discriminator_step = gan.discriminator_step(generator, discriminator)
    discriminator_step.compile(_adam(options), loss="hinge", jit_compile=jit_compile())
    averaging_adam = _adam(options, use_ema=True, ema_momentum=EMA_MOMENTUM)
    generator_step.compile(averaging_adam, loss=_minus_scores, jit_compile=jit_compile())
    discriminator_step.optimizer.build(discriminator.trainable_variables)
    generator_step.optimizer.build(generator.trainable_variables)
    return Gan(generator, discriminator, generator_step, discriminator_step)


def train_on(networks: Gan, images: np.ndarray, labels: np.ndarray, noise: np.ndarray) -> tuple[float, float]:
    """Train the discriminator, then the generator, on one batch, and return their mean losses in the epoch so far.

    Args:
        images: uint8 (batch, height, width, channels), real.
        labels: int32 (batch,), the classes of the real images and of as many generated ones.
        noise: float32 (2, batch, latent_units), for each of the two networks.
    """
    real = np.ones((len(images), 1), np.float32)
    networks.generator.trainable, networks.discriminator.trainable = False, True
    discriminator_loss = networks.discriminator_step.train_on_batch(
        [images, labels, noise[0]], np.concatenate([real, -real])
    )
    networks.generator.trainable, networks.discriminator.trainable = True, False
    generator_loss = networks.generator_step.train_on_batch([noise[1], labels], real)
    networks.discriminator.trainable = True
    return float(discriminator_loss), float(generator_loss)


def _adam(options: Generate, **others: float) -> keras.Optimizer:
    return keras.optimizers.Adam(options.learning_rate, beta_1=0.5, beta_2=0.99, **others)


def _minus_scores(targets: keras.KerasTensor, scores: keras.KerasTensor) -> keras.KerasTensor:
    return -targets * scores
