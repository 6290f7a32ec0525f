"""The features of the third release, which is the code now. `releases` has those before.

    video/file ─┬─ video/transcript ─┬─ video/language
                │                    └─ video/keywords
                ├─ video/embedding
                ├─ video/poster   new
                ├─ video/title    new
                └─ video/rating   new

What is new since the second release: `video/embedding` and `video/language` have other code, of
which the first gives the same results as before, and says so; and there are three features more.
"""

from datetime import date

from metaxy import BaseFeature, FeatureDep, FeatureSpec, FieldDep, FieldSpec


class VideoFile(
    BaseFeature,
    spec=FeatureSpec("video/file", id_columns="video_id", fields=["audio", "frames"]),
):
    """The root: a video of the archive."""

    video_id: str
    path: str
    size_bytes: int


class Transcript(
    BaseFeature,
    spec=FeatureSpec(
        "video/transcript",
        id_columns="video_id",
        deps=[FeatureDep(VideoFile, columns=())],
        fields=[FieldSpec("text", code_version="1", deps=[FieldDep(VideoFile, "audio")])],
    ),
):
    """What is said: the code is as it was, and says now what it has always used."""

    video_id: str
    text: str


class Language(
    BaseFeature,
    spec=FeatureSpec(
        "video/language",
        id_columns="video_id",
        deps=[FeatureDep(Transcript)],
        fields=[FieldSpec("default", code_version="2")],
    ),
):
    """Which language is spoken; by a better model than before."""

    video_id: str
    language: str


class Keywords(
    BaseFeature,
    spec=FeatureSpec("video/keywords", id_columns="video_id", deps=[FeatureDep(Transcript)]),
):
    """What it is about."""

    video_id: str
    keywords: list[str]


class Embedding(
    BaseFeature,
    spec=FeatureSpec(
        "video/embedding",
        id_columns="video_id",
        deps=[FeatureDep(VideoFile, columns=())],
        fields=[FieldSpec("vector", code_version="2", deps=[FieldDep(VideoFile, "frames")])],
        metadata={"same_results": "The model is served by another framework, weights unchanged."},
    ),
):
    """The pictures as a vector."""

    video_id: str
    vector: list[float]


class Poster(
    BaseFeature,
    spec=FeatureSpec(
        "video/poster", id_columns="video_id", deps=[FeatureDep(VideoFile, columns=())]
    ),
):
    """A picture that stands for the video; it lies in the bucket."""

    video_id: str
    path: str
    size_bytes: int


class Title(
    BaseFeature,
    spec=FeatureSpec(
        "video/title", id_columns="video_id", deps=[FeatureDep(VideoFile, columns=())]
    ),
):
    """What the old catalogue called it."""

    video_id: str
    title: str


class Rating(
    BaseFeature,
    spec=FeatureSpec(
        "video/rating", id_columns="video_id", deps=[FeatureDep(VideoFile, columns=())]
    ),
):
    """How people liked it; from the old catalogue."""

    video_id: str
    stars: float
    rated_on: date
