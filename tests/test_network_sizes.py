"""The sizes of all networks with their defaults: no layer, stride or dropout rate changes unnoticed."""

import keras
import pytest

import models
from models import ARCHITECTURES
from models.parts.cost import flops, weighted_layers, without_weights

COLOUR = (32, 64, 3)
COUNTED = [  # architecture, options, parameters, operations of a forward pass, layers with weights, dropout rates
    ("alexnet", {}, 256_500_103, 1_134_769_408, 9, [0.5] * 3),
    ("convnet", {}, 4_264_359, 106_306_560, 6, [0.25] * 3),
    ("deep_resnet", {}, 11_189_703, 148_052_992, 21, []),  # with depth 34 to 101, and vgg: torchvision's, 7 outputs
    ("deep_resnet", {"depth": 34}, 21_305_287, 299_047_936, 37, []),
    ("deep_resnet", {"depth": 50}, 23_575_495, 333_672_448, 54, []),
    ("deep_resnet", {"depth": 101}, 42_619_847, 636_710_912, 105, []),
    ("deep_resnet", {"small_images": True}, 11_194_503, 563_296_256, 21, []),
    ("fast", {}, 298_023, 92_629_504, 8, []),
    ("fast", {"width": 2}, 1_185_863, 367_514_624, 8, []),
    ("fast", {"residual": True, "dropout": 0.2}, 492_455, 115_134_976, 11, [0.2]),
    ("feedforward", {}, 797_127, 1_593_792, 4, []),
    ("feedforward", {"dropout": 0.1}, 797_127, 1_593_792, 4, [0.1] * 3),
    ("inception", {}, 318_775, 184_226_176, 9, [0.4]),
    ("lenet", {}, 27_535, 2_911_440, 5, []),
    ("modified_resnet", {}, 370_183, 180_640_000, 13, [0.5]),
    ("overlap_cnn", {}, 16_788_327, 70_258_176, 4, [0.3] * 3),
    ("resnet", {}, 1_210_599, 179_703_296, 11, []),
    ("resnet", {"blocks": 2, "dropout": 0.3}, 2_762_471, 406_195_712, 17, [0.3]),
    ("resnet", {"first_stride_pixels": 1}, 1_210_599, 708_185_600, 11, []),
    ("skip_cnn", {}, 17_209_543, 215_417_280, 10, [0.25] * 2),
    ("traditional_cnn", {}, 16_840_519, 64_422_336, 6, [0.2, 0.25]),
    ("vgg", {"depth": 11}, 30_228_871, 653_058_048, 11, [0.5] * 2),
    ("vgg", {"depth": 13}, 30_413_383, 955_047_936, 13, [0.5] * 2),
    ("vgg", {}, 35_723_079, 1_294_786_560, 16, [0.5] * 2),
    ("vgg", {"depth": 19}, 41_032_775, 1_634_525_184, 19, [0.5] * 2),
    ("vgg", {"batch_norm": True}, 35_739_975, 1_294_786_560, 16, [0.5] * 2),
]


@pytest.mark.parametrize(("architecture", "options", "parameters", "operations", "depth", "dropouts"), COUNTED)
def test_networks_have_their_sizes(architecture, options, parameters, operations, depth, dropouts):
    with without_weights():
        network = models.build(architecture, COLOUR, 7, options)
        rates = [layer.rate for layer in network.layers if isinstance(layer, keras.layers.Dropout)]
        assert (network.count_params(), flops(network), weighted_layers(network)) == (parameters, operations, depth)
    assert rates == dropouts


def test_every_architecture_has_a_size():
    assert {architecture for architecture, *_ in COUNTED} == set(ARCHITECTURES) - {
        "features",
        "pretrained",
    }  # whose are Keras's
