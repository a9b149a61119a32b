"""The blocks of a task's entry about its raw files."""

from typing import Literal

from pydantic import Field

from pipeline.config.fields import Block, Classes, Column, Image, LabelColumns, Limits, Pattern, Text


class Split(Block):
    """The files of one split, relative to the task's folder. A setting that is null is inferred."""

    images: Text = Field(
        description="CSV, JSON, pickle, npz, idx, or a folder of images; data_batch_* joins the files of a pattern"
    )
    labels: Text | None = Field(
        None,
        description="a CSV or COCO's JSON, if the labels are not in the file of the images; for test: "
        "their ids and other columns",
    )
    id_column: Column | None = None
    label_column: Column | None = None
    label_separator: str | None = Field(
        None,
        max_length=16,
        description='" " if a cell contains a set of labels separated by spaces; the cell may be empty',
    )
    label_columns: LabelColumns | None = Field(
        None,
        description="columns of 0 and 1, one for each class; null: those with the names of the sample's columns. "
        "Rows with exactly one 1 mean one label, others label sets",
    )
    path_pattern: Pattern | None = Field(
        None,
        description='of the paths of image files, such as "{label}.*" or "{patient}/*": label is the label; other '
        "names become columns, and one with the name of the label file's ids joins an image to its row",
    )
    images_key: Text | None = Field(None, description="of an npz or a pickled dict; 0.1 in a pickled tuple")
    labels_key: Text | None = Field(None, description="as images_key")


class Ingest(Block):
    """The raw files of a competition."""

    folder: Text
    train: Split
    test: Split
    sample_submission: Text
    image: Image | None = Field(
        None,
        description="[height, width] or [height, width, channels]: image files are resized to it while they are read; "
        "tables of pixels must have it",
    )
    resize: Literal["stretch", "pad", "crop"] = Field(
        "stretch",
        description="of image files: pad and crop keep the aspect ratio; pad shows the whole image on the background",
    )
    classes: Classes | None = Field(
        None, description="5..13, or a list in the spelling of submissions; null: inferred from the training labels"
    )
    pixel_scale: float = Field(1.0, gt=0, le=65_536, description="255 if the raw pixels are 0..1")
    layout: Literal["interleaved", "planes"] | None = Field(
        None, description="of colour rows: pixel by pixel, or red, green and blue planes; null: detected"
    )
    limits: Limits | Literal["robust"] | None = Field(
        None,
        description="[low, high] of measured values such as decibels, which become 0 and 255; robust: percentiles of "
        "the training images; null: robust for images of floating-point numbers",
    )
    missing: Literal["refuse", "skip"] = Field(
        "refuse",
        description="training rows without an image and images without a row: up to 5 % of them are left out; "
        "skip: any number",
    )
    damaged: Literal["refuse", "skip"] = Field(
        "refuse", description="skip: leave damaged training images out, and make damaged test images black"
    )
    background: Literal["white", "black"] = Field(
        "white", description="behind transparent images and around padded ones"
    )
