"""The cheapest thing that a competitor would do: frozen EfficientNet-Lite0 features and logistic regression.

    python -m benchmarks.twenty_lines FOLDER SIZE SEED

FOLDER contains train/CLASS/*.jpg and test/CLASS/*.jpg. SIZE is the side of the network's images in pixels. SEED is for
the folds. It prints the out-of-fold and the held-out accuracy. `benchmarks/photos.py` compares Podium with it.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from models.backbones.efficientnet_lite import preprocess_input
from models.backbones.families import family
from models.backbones.weights import load


def main() -> None:
    """Print the accuracies."""
    folder, size, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    network = load(family("efficientnet_lite0"), "imagenet", (size, size, 3))

    def features(split: str) -> tuple[np.ndarray, np.ndarray]:
        files = sorted((folder / split).glob("*/*"))
        images = (Image.open(file).convert("RGB").resize((size, size), Image.Resampling.BICUBIC) for file in files)
        pixels = np.stack([np.asarray(image) for image in images])
        batches = [np.float32(pixels[start : start + 32]) for start in range(0, len(pixels), 32)]
        vectors = np.concatenate([network.predict_on_batch(preprocess_input(batch)) for batch in batches])
        return vectors, np.array([file.parent.name for file in files])

    (train, labels), (test, answers) = features("train"), features("test")
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    out_of_fold = (cross_val_predict(model, train, labels, cv=folds) == labels).mean()
    print(out_of_fold, (model.fit(train, labels).predict(test) == answers).mean())


if __name__ == "__main__":
    main()
