"""The two competitions of the RSNA: DICOM files, of which several have one answer."""

from pathlib import Path

import numpy as np
import pandas as pd

from tests.competitions.pictures import SIDE, cycle, pixels
from tests.competitions.tables import one_column, with_sample, write_csv


def write_dicom(path: Path, kind: int, rng: np.random.Generator, photometric: str = "MONOCHROME2") -> None:
    """Write an image of 12 bits."""
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    path.parent.mkdir(parents=True, exist_ok=True)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPInstanceUID = ExplicitVRLittleEndian, generate_uid()
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1.2"
    dicom = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    grey = pixels([kind], rng, SIDE, SIDE + int(rng.integers(0, 9))).max(axis=2).astype(np.uint16) * 16
    grey = 4095 - grey if photometric == "MONOCHROME1" else grey
    dicom.Rows, dicom.Columns = grey.shape
    dicom.SamplesPerPixel, dicom.PhotometricInterpretation = 1, photometric
    dicom.BitsAllocated, dicom.BitsStored, dicom.HighBit, dicom.PixelRepresentation = 16, 12, 11, 0
    dicom.PixelData = grey.tobytes()
    dicom.save_as(path, enforce_file_format=True)


def rsna_breast(folder: Path, rng: np.random.Generator) -> pd.DataFrame:
    """Several images of a breast have one answer; one breast in four has cancer here."""
    train, test = (_breasts(folder, split, patients, rng) for split, patients in PATIENTS.items())
    write_csv(train.drop(columns="prediction_id"), folder / "train.csv")
    write_csv(test.drop(columns="cancer"), folder / "test.csv")
    answers = test.groupby("prediction_id", sort=False, as_index=False)["cancer"].first()
    return with_sample(answers, folder / "sample_submission.csv", 0.021168)


PATIENTS = {"train": range(10006, 10022), "test": range(20000, 20008)}


def _breasts(folder: Path, split: str, patients: range, rng: np.random.Generator) -> pd.DataFrame:
    rows = []
    for patient in patients:
        for laterality in "LR":
            kind = int((patient + (laterality == "R")) % 4 == 0)
            for view in ("CC", "MLO"):
                image_id = int(rng.integers(10**8, 2**31 - 1))
                path = folder / f"{split}_images" / str(patient) / f"{image_id}.dcm"
                write_dicom(path, kind, rng, "MONOCHROME1" if patient % 2 else "MONOCHROME2")
                row = {"site_id": 1, "patient_id": patient, "image_id": image_id, "laterality": laterality}
                row |= {"view": view, "age": 61, "cancer": kind, "prediction_id": f"{patient}_{laterality}"}
                rows.append(row)
    return pd.DataFrame(rows)


def rsna_miccai(folder: Path, rng: np.random.Generator) -> pd.DataFrame:
    """A patient is a folder of slices in several series."""
    table = one_column("BraTS21ID", "MGMT_value")
    train = table([f"{3 * row:05d}" for row in range(16)], cycle(16, 2))
    test = table([f"{3 * row + 1:05d}" for row in range(8)], cycle(8, 2))
    for split, patients in (("train", train), ("test", test)):
        for patient, kind in patients.itertuples(index=False):
            for series in ("FLAIR", "T1w"):
                for number in (1, 2):
                    write_dicom(folder / split / patient / series / f"Image-{number}.dcm", kind, rng)
    write_csv(train, folder / "train_labels.csv")
    return with_sample(test, folder / "sample_submission.csv", 0.5)


WRITERS = {
    "rsna-breast-cancer-detection": rsna_breast,
    "rsna-miccai-brain-tumor-radiogenomic-classification": rsna_miccai,
}
