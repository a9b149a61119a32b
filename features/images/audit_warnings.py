"""The warnings of an audit of images, as sentences."""

from typing import Any

UNLOCATED_SHARE = 0.01  # share of images with unlocated items, above which there is a warning
KNOWN_COPIES_SHARE = 0.01  # share of test images with a near-copy in train, above which there is a warning
KNOWN_SHARE = 0.1  # excess share of training images with known items over test images, above which there is a warning


def audit_warnings(report: dict[str, Any]) -> list[str]:
    """Return the audit's warnings, one sentence each."""

    def share(entry: str, split: str) -> float:
        return (report.get(entry) or {}).get(split, {"rows": 0})["rows"] / max(1, report["rows"][split])

    warnings = [
        f"in {share('unlocated_items', split):.1%} of the {split} images items could not be located; members with "
        "'head: grid' need no located items"
        for split in ("train", "test")
        if share("unlocated_items", split) > UNLOCATED_SHARE
    ]
    warnings += [
        f"{constant['rows']} of the {split} images show one colour only, for example id {constant['examples'][0]}"
        for split, constant in report["constant_images"].items()
        if constant["rows"]
    ]
    conflicts = report["conflicting_labels"]
    if conflicts["groups"]:
        ids, labels = (conflicts["examples"][0][name] for name in ("ids", "labels"))
        other = next(index for index, label in enumerate(labels) if label != labels[0])
        warnings.append(
            f"{conflicts['groups']} training images occur with several labels, in {conflicts['rows']} rows, for "
            f"example id {ids[0]} with {labels[0]} and id {ids[other]} with {labels[other]}"
        )
    warnings += _near_copy_warnings(report)
    train, test = (share("known_items", split) for split in ("train", "test"))
    if train - test > KNOWN_SHARE:
        warnings.append(
            f"another training image shows every item of {train:.1%} of the training images and of {test:.1%} of the "
            "test images; a network may know held-out items by heart, so expect test scores below those out of fold"
        )
    return warnings


def _near_copy_warnings(report: dict[str, Any]) -> list[str]:
    if "near_copies_within_train" not in report:
        return []
    large, across = report["near_copies_within_train"]["large"], report["near_copies_across_train_and_test"]
    warnings = [
        f"{group['rows']} training images look like id {group['example']}; that is more than 1 % of the rows, so they "
        "are not kept in one fold"
        for group in large
    ]
    if across["test_rows"] > KNOWN_COPIES_SHARE * report["rows"]["test"]:
        example = across["examples"][0]
        warnings.append(
            f"{across['test_rows']} of {report['rows']['test']} test images are near-copies of training images, for "
            f"example test id {example['test']} of id {example['train']}"
        )
    return warnings
