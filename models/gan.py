"""A small class-conditional GAN for images of any size: two networks, and for each of them a model that trains it.

The discriminator is that of Miyato and Koyama (2018, cGANs with projection discriminator): spectrally normalised
convolutions, whose features are compared with an embedding of the class. Real and generated images are shifted at
random in the same way (Zhao et al., 2020, Differentiable augmentation), so a few hundred images are enough.

The generator is that of DCGAN (Radford et al., 2016), with a gain for each class (de Vries et al., 2017). It normalises
over channels, because batch statistics would differ between the two steps.
"""

import math

import keras
from keras import layers, ops

LEAST_PIXELS = 8  # the longest side of the generator's first grid
WIDEST = 4  # times `filters`, at the smallest grids
SHIFT_SHARE = 0.125  # of the image's side, in either direction
LABEL_UNITS = 32
POWER_ITERATIONS = 4
BLACK = -1.0  # pixels lie in -1..1 inside these networks


def build_generator(image_shape: tuple[int, int, int], classes: int, latent_units: int, filters: int) -> keras.Model:
    """Return a network from noise (batch, latent_units) and class indices (batch,) to images (batch, *image_shape).

    Pixels are float32, -1..1. A side that cannot be halved is cropped from a larger image.
    """
    widths = _widths(image_shape, filters)
    height, width, channels = image_shape
    grid = [math.ceil(side / 2 ** len(widths)) for side in (height, width)]
    noise, labels = keras.Input((latent_units,)), keras.Input((), dtype="int32")
    features = layers.Concatenate()([noise, _embedding(classes, LABEL_UNITS)(labels)])
    x = layers.Dense(grid[0] * grid[1] * widths[-1])(features)
    x = _condition(layers.Reshape((*grid, widths[-1]))(x), labels, classes)
    for filters_here in reversed(widths):
        x = layers.Conv2DTranspose(filters_here, 4, strides=2, padding="same", use_bias=False)(x)
        x = _condition(x, labels, classes)
    x = layers.Conv2D(channels, 3, padding="same", activation="tanh", dtype="float32")(x)
    return keras.Model([noise, labels], x[:, :height, :width], name="generator")


def build_discriminator(image_shape: tuple[int, int, int], classes: int, filters: int) -> keras.Model:
    """Return a network from images (batch, *image_shape), -1..1, and class indices (batch,) to scores (batch, 1).

    The score is high for an image that is real and of that class.
    """
    widths = _widths(image_shape, filters)
    images, labels = keras.Input(image_shape), keras.Input((), dtype="int32")
    x = layers.RandomTranslation(SHIFT_SHARE, SHIFT_SHARE, fill_mode="constant", fill_value=BLACK)(images)
    for filters_here in widths:
        x = _leaky(SpectralConv2D(filters_here, 4, strides=2, padding="same")(x))
    x = _leaky(SpectralConv2D(2 * widths[-1], 3, padding="same")(x))
    x = layers.GlobalAveragePooling2D()(x)
    likeness = ops.sum(x * _embedding(classes, x.shape[-1])(labels), axis=-1, keepdims=True)
    return keras.Model([images, labels], layers.Dense(1)(x) + likeness, name="discriminator")


def discriminator_step(generator: keras.Model, discriminator: keras.Model) -> keras.Model:
    """Return a model of scores (2 * batch, 1): of the real images first, then of the generated ones.

    Its inputs are real uint8 images (batch, *image_shape), their class indices (batch,) and noise (batch,
    latent_units). The generated images have the same classes.
    """
    real = keras.Input(discriminator.input_shape[0][1:], dtype="uint8")
    labels, noise = keras.Input((), dtype="int32"), keras.Input(generator.input_shape[0][1:])
    images = ops.concatenate([layers.Rescaling(1 / 127.5, BLACK)(real), generator([noise, labels])])
    scores = discriminator([images, ops.concatenate([labels, labels])])
    return keras.Model([real, labels, noise], scores, name="discriminator_step")


def generator_step(generator: keras.Model, discriminator: keras.Model) -> keras.Model:
    """Return a model from noise (batch, latent_units) and class indices (batch,) to the generated images' scores."""
    noise, labels = keras.Input(generator.input_shape[0][1:]), keras.Input((), dtype="int32")
    return keras.Model([noise, labels], discriminator([generator([noise, labels]), labels]), name="generator_step")


class SpectralConv2D(layers.Conv2D):
    """A convolution whose kernel is divided by its largest singular value (Miyato et al., 2018).

    Keras's own wrapper changes the kernel whenever it is called, so the generator's step would change it too.
    """

    def convolution_op(self, inputs: keras.KerasTensor, kernel: keras.KerasTensor) -> keras.KerasTensor:
        """Convolve with the normalised kernel."""
        return super().convolution_op(inputs, kernel / spectral_norm(ops.convert_to_tensor(kernel)))


def spectral_norm(kernel: keras.KerasTensor) -> keras.KerasTensor:
    """Return the largest singular value of a kernel (..., outputs), by a few power iterations."""
    matrix = ops.reshape(kernel, (-1, kernel.shape[-1]))
    fixed = ops.stop_gradient(matrix)
    right = ops.ones((matrix.shape[-1], 1), matrix.dtype)
    for _ in range(POWER_ITERATIONS):
        left = ops.normalize(ops.matmul(fixed, right), axis=0)
        right = ops.normalize(ops.matmul(ops.transpose(fixed), left), axis=0)
    return ops.sum(left * ops.matmul(matrix, right)) + 1e-6


def _widths(image_shape: tuple[int, int, int], filters: int) -> list[int]:
    """Return the filters of each halving, from the full image size down."""
    halvings = max(1, math.ceil(math.log2(max(image_shape[:2]) / LEAST_PIXELS)))
    return [filters * min(2**level, WIDEST) for level in range(halvings)]


def _condition(inputs: keras.KerasTensor, labels: keras.KerasTensor, classes: int) -> keras.KerasTensor:
    """Return normalised, rectified features (batch, height, width, channels). Each class and channel has a gain."""
    gain = layers.Embedding(classes, inputs.shape[-1], embeddings_initializer="ones")(labels)
    normed = layers.RMSNormalization(axis=-1)(inputs)
    return _leaky(normed * ops.reshape(gain, (-1, 1, 1, inputs.shape[-1])))


def _embedding(classes: int, units: int) -> layers.Embedding:
    return layers.Embedding(classes, units, embeddings_initializer=keras.initializers.RandomNormal(stddev=1.0))


def _leaky(inputs: keras.KerasTensor) -> keras.KerasTensor:
    """Return the leaky ReLU of features. TensorFlow's own is fused here in a way that logs an error."""
    return ops.maximum(inputs, 0.2 * inputs)
