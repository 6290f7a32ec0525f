"""A video, what is said in it, and two features that are made from that.

    video/file ── speech/transcription ─┬─ speech/diarization
                                        └─ speech/analysis

The transcription is made from the audio of a video. What is shown makes no difference to it.
"""

from metaxy import BaseFeature, FeatureDep, FeatureSpec, FieldDep, FieldSpec


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
        fields=[FieldSpec("text", code_version="1", deps=[FieldDep(VideoFile, "audio")])],
    ),
):
    """What is said in a video. The code is as it was, and says now what it has always used."""

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
