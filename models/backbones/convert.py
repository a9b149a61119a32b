"""`python -m models.backbones.convert BACKBONE FILE.pth FILE.weights.h5`: PyTorch's weights as a file of Keras.

BACKBONE is efficientnet_lite0 or torch_mobilenetv2. Podium itself also reads FILE.pth. The converted file is for other
programs: `keras.applications.MobileNetV2(include_top=False, pooling="avg", weights=FILE.weights.h5)` computes the same
features as PyTorch for images with sides of 32 n + 1 pixels, such as 225, if they are preprocessed as in PyTorch.

Example: python -m models.backbones.convert torch_mobilenetv2 mobilenet_v2.pth mobilenet_v2.weights.h5
"""

import argparse
import sys

from models.backbones.families import OF_TORCH, family
from models.backbones.weights import load


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m models.backbones.convert", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("backbone", metavar="BACKBONE", choices=OF_TORCH)
    parser.add_argument("source", metavar="FILE.pth")
    parser.add_argument("target", metavar="FILE.weights.h5")
    options = parser.parse_args()
    backbone = family(options.backbone)
    try:
        network = load(backbone, options.source, (backbone.pixels, backbone.pixels, 3))
        network.save_weights(options.target)
    except (ValueError, OSError) as error:
        sys.exit(f"convert: {error}")
    print(f"{options.target}: wrote {network.count_params():,} weights of {options.backbone}")


if __name__ == "__main__":
    main()
