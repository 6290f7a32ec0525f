"""What the example project says of a run: a JSON object a feature, on a line of its own."""

from pydantic import BaseModel, ConfigDict


class FeatureAccount(BaseModel):
    """What one run did for one feature; `examples/source_library/accounts.py` says more.

    Attributes:
        records: How many the feature has afterwards.
        computed: How many of them the run wrote.
        skipped: How many it left as they were.
        pruned: How many of those have an upstream record that the run wrote or deleted.
        added, changed: What was asked for; parents, for a feature made by expansion.
        removed: How many records were deleted.
        fields: For how many records each field had new input.
        new_version: Whether the feature has another version than the records that were there.
        problems: How many computed records tell that something was wrong with the file.
        left: How many records were asked for when asked again; 0 unless something is wrong.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    feature: str
    upstreams: tuple[str, ...]
    records: int
    computed: int
    skipped: int
    pruned: int
    added: int
    changed: int
    removed: int
    fields: dict[str, int]
    new_version: bool
    problems: int
    seconds: float
    left: int
