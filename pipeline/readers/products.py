"""Products with pictures in a BSON file, as cdiscount's: a product is a row, or each picture is."""

from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.config.errors import quote
from pipeline.config.schema import Split
from pipeline.readers.bson import read_products
from pipeline.readers.csv_table import ID_NAMES
from pipeline.readers.images.sample import open_images
from pipeline.readers.raw import Form, Raw, tidy
from pipeline.storage.files import BadInput, blame

SUFFIX = ".bson"
_ID_NAMES = ("_id", *ID_NAMES)


def read_bson_products(path: Path, split: Split, form: Form, labelled: bool) -> Raw:
    """Return the pictures, the ids and the labels of products: all pictures if the form says so, else the first ones.

    With all pictures, the id of a picture is that of its product with its number, and the product's is a column.

    Raises:
        BadInput: the file is damaged, a product has no picture or lacks a key, or it is not clear which key is the
            label.
    """
    ids, products, labels, places, more = [], [], [], {}, 0
    id_: str | None = None
    label: str | None = None
    for number, product in enumerate(read_products(path)):
        if not number:
            id_, label = _keys(path, list(product.values), split, labelled)
        if not product.pictures or id_ not in product.values or (label is not None and label not in product.values):
            raise BadInput(f"{path}: product {number} (counted from 0) has no picture, or no {id_} or {label}")
        pictures = product.pictures if form.all_pictures else product.pictures[:1]
        more += len(product.pictures) - len(pictures)
        for place, picture in enumerate(pictures):
            products.append(str(product.values[id_]))
            ids.append(f"{product.values[id_]}_{place}" if form.all_pictures else product.values[id_])
            labels.append(product.values[label] if label else None)
            places[f"{number}_{place}"] = picture
    if not places:
        raise BadInput(f"{path}: no products in it")
    images = open_images(path, tuple(places), form, places)
    with blame(path):
        return Raw(
            images,
            ids=tidy(np.array(ids), "id"),
            labels=tidy(np.array(labels), "label") if label else None,
            label_column=quote(label) if label else None,
            form=images.form,
            columns=pd.DataFrame({str(id_): products}, dtype=object),
            remark=f"; the first picture of each product, without {more} others of {path.name}" if more else "",
        )


def _keys(path: Path, keys: list[str], split: Split, labelled: bool) -> tuple[str, str | None]:
    """Return the keys of id and label: the declared ones, or one called id, and the only other one."""
    id_ = split.id_column if split.id_column is not None else next((key for key in keys if key in _ID_NAMES), None)
    rest = [key for key in keys if key != id_]
    label = split.label_column if split.label_column is not None else rest[0] if labelled and len(rest) == 1 else None
    if id_ not in keys or (labelled and label not in rest):
        raise BadInput(f"{path}: keys {', '.join(map(quote, keys))}; declare id_column and label_column")
    return str(id_), None if label is None or label not in rest else str(label)
