"""A video, what is said in it, and two features that are made from that.

    video/file ── speech/transcription ─┬─ speech/diarization
                                        └─ speech/analysis

The transcription is made from the whole video: nobody has said that it only listens.
"""

from metaxy import BaseFeature, FeatureDep, FeatureSpec, FieldSpec


class VideoFile(
    BaseFeature,
    spec=FeatureSpec("video/file", id_columns="video_id", fields=["audio", "frames"]),
):
    """The root: a row of videos.csv. Its two fields have versions of their own."""

    video_id: str
    spoken: str
    picture: str


class Transcription(
    BaseFeature,
    spec=FeatureSpec(
        "speech/transcription",
        id_columns="video_id",
        deps=[FeatureDep(VideoFile, columns="spoken")],
        fields=[FieldSpec("text", code_version="1")],
    ),
):
    """What is said in a video. A field without `deps` is made from all of its upstream."""

    video_id: str
    text: str


class Diarization(
    BaseFeature,
    spec=FeatureSpec("speech/diarization", id_columns="video_id", deps=[FeatureDep(Transcription)]),
):
    """Who speaks."""

    video_id: str
    speakers: list[str]


class Analysis(
    BaseFeature,
    spec=FeatureSpec("speech/analysis", id_columns="video_id", deps=[FeatureDep(Transcription)]),
):
    """How much is said, and how."""

    video_id: str
    words: int
    questions: int
