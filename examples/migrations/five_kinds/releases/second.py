"""The features as the second release had them: the transcript is made from the audio alone."""

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
        fields=[FieldSpec("default", code_version="1")],
    ),
):
    """Which language is spoken."""

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
        fields=[FieldSpec("vector", code_version="1", deps=[FieldDep(VideoFile, "frames")])],
    ),
):
    """The pictures as a vector."""

    video_id: str
    vector: list[float]
