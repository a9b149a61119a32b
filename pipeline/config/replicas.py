"""The block `replicas` of `params.yaml`: competitions made from a labelled image set."""

from typing import Literal

from pydantic import Field

from pipeline.config.fields import Block, Rows, Seed, SomeLabels


class Replica(Block):
    """A competition's raw files made from a labelled image set (stage `replica`)."""

    form: Literal["fashion", "price_sum", "item_kinds"]
    source: Literal["digits", "fashion-mnist", "mnist", "cifar-10"] = "digits"
    labels: SomeLabels | None = Field(
        None, description="of the source that take part, for form fashion; null: all of them"
    )
    train_rows: Rows | None = Field(
        None, description="null: all rows of the source, or 60 000 and 10 000 for composed images"
    )
    test_rows: Rows | None = None
    pool: Literal["shared", "disjoint"] = Field("shared", description="of items, if images are composed of items")
    items_per_class: Rows | None = Field(None, description="in that pool; null: all items of the source")
    seed: Seed = 0
