"""The networks of a conditional GAN: their shapes, their steps and the norm of a kernel."""

from types import SimpleNamespace

import numpy as np
import pytest

from models.gan import build_discriminator, build_generator, spectral_norm
from pipeline.config.schema import Generate
from pipeline.training.gan import build_gan, train_on
from pipeline.training.gan_fold import generated_images
from pipeline.training.variables import copies


def test_three_channels_and_sides_that_cannot_be_halved():
    generator = build_generator((11, 21, 3), 4, latent_units=5, filters=2)
    discriminator = build_discriminator((11, 21, 3), 4, filters=2)
    labels = np.array([0, 3], np.int32)
    images = generator.predict([np.zeros((2, 5), np.float32), labels], verbose=0)
    assert images.shape == (2, 11, 21, 3)
    assert discriminator.predict([images, labels], verbose=0).shape == (2, 1)


@pytest.mark.slow
def test_each_step_moves_one_network_alone():
    data = SimpleNamespace(about={"image": [12, 12, 1]}, classes=[0, 1, 2])
    gan = build_gan(data, Generate(filters=2, latent_units=3))
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 255, (8, 12, 12, 1), np.uint8), np.arange(8, dtype=np.int32) % 3
    noise = rng.standard_normal((2, 8, 3), np.float32)
    parts = {"generator": gan.generator.trainable_variables, "discriminator": gan.discriminator.trainable_variables}

    def moved(step):
        before = {name: copies(part) for name, part in parts.items()}
        step()
        return {n for n, p in parts.items() if any((a != b).any() for a, b in zip(before[n], copies(p), strict=True))}

    real_steps = {"discriminator": gan.discriminator_step, "generator": gan.generator_step}
    for name, step in real_steps.items():
        others = [other for other in real_steps.values() if other is not step]
        whole = [other.train_on_batch for other in others]
        for other in others:
            other.train_on_batch = lambda *_: 0.0
        for _ in range(2):  # the first one traces, the second one runs what was traced
            assert moved(lambda: train_on(gan, images, labels, noise)) == {name}
        for other, method in zip(others, whole, strict=True):
            other.train_on_batch = method


def test_pixels_of_minus_one_to_one_become_0_to_255():
    generator = SimpleNamespace(predict=lambda inputs, **_: np.full((1, 1, 1, 1), inputs[1][0], np.float32))
    job = SimpleNamespace(number=0, options=SimpleNamespace(seed=0, images_per_class=1, latent_units=2))
    pixels = [int(images[0, 0, 0, 0]) for images in generated_images(job, generator, np.array([-1, 0, 1]))]
    assert pixels == [0, 128, 255]


def test_the_spectral_norm_is_the_largest_singular_value():
    rng = np.random.default_rng(0)
    kernel = 0.1 * rng.normal(size=(3, 3, 4, 8)) + np.outer(rng.normal(size=36), rng.normal(size=8)).reshape(3, 3, 4, 8)
    expected = np.linalg.norm(kernel.reshape(-1, 8), ord=2)
    assert float(spectral_norm(kernel.astype("float32"))) == pytest.approx(expected, rel=1e-3)
