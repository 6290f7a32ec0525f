"""Brings every feature up to date with videos.csv: `python compute.py`.

What is "computed" here takes no time; think of a speech model where it says `text`.
"""

import re
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

import polars as pl

from features import Analysis, Diarization, Transcription, VideoFile
from metaxy import BaseFeature, MetadataStore, init_metaxy

HERE = Path(__file__).parent
PROVENANCE = "metaxy_provenance_by_field"
SPEAKER = r"(\w+):"


def videos() -> pl.DataFrame:
    """One row a video, with a version for what is heard and one for what is seen."""
    rows = pl.read_csv(HERE / "videos.csv").fill_null("")
    return rows.with_columns(
        pl.struct(
            pl.col("spoken").map_elements(version_of, pl.String).alias("audio"),
            pl.col("picture").map_elements(version_of, pl.String).alias("frames"),
        ).alias(PROVENANCE)
    )


def version_of(content: str) -> str:
    """A short text that changes with the content."""
    return blake2b(content.encode(), digest_size=8).hexdigest()


def transcriptions(due: pl.DataFrame) -> pl.DataFrame:
    """The words, by our speech model."""
    return due.select("video_id", pl.col("spoken").str.to_lowercase().alias("text"), PROVENANCE)


def diarizations(due: pl.DataFrame) -> pl.DataFrame:
    """Each speaker once, in the order in which they first speak."""
    found = [list(dict.fromkeys(re.findall(SPEAKER, text))) for text in due["text"]]
    speakers = pl.Series("speakers", found, pl.List(pl.String))
    return due.select("video_id", speakers, PROVENANCE)


def analyses(due: pl.DataFrame) -> pl.DataFrame:
    """Words and questions; the names of who speaks aren't said."""
    said = pl.col("text").str.replace_all(SPEAKER, "")
    return due.select(
        "video_id",
        said.str.count_matches(r"\w+").cast(pl.Int64).alias("words"),
        said.str.count_matches(r"\?").cast(pl.Int64).alias("questions"),
        PROVENANCE,
    )


STEPS: dict[type[BaseFeature], Callable[[pl.DataFrame], pl.DataFrame]] = {
    VideoFile: lambda due: due,
    Transcription: transcriptions,
    Diarization: diarizations,
    Analysis: analyses,
}


def update(store: MetadataStore, feature: type[BaseFeature]) -> int:
    """Compute what is due of a feature, and give how many records that were."""
    samples = videos() if feature is VideoFile else None
    increment = store.resolve_update(feature, samples=samples)
    due = pl.concat([increment.added.to_polars(), increment.changed.to_polars()])
    if len(due):
        store.write_metadata(feature, STEPS[feature](due))
    if len(increment.removed):
        store.delete_metadata(feature, records=increment.removed)
    return len(due)


def main() -> None:
    """Go through the features, upstreams first, and print a line for each."""
    with init_metaxy(HERE).get_store().open("write") as store:
        for feature in STEPS:
            key = str(store.graph.plan(feature).key)
            print(f"{key:<22}{update(store, feature)} computed")


if __name__ == "__main__":
    main()
