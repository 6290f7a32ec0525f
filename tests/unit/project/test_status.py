"""How features stand, for graphs and lakes that the command line's own tests leave out."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from metaxy import (
    BaseFeature,
    DeltaMetadataStore,
    FeatureDep,
    FeatureGraph,
    FeatureKey,
    FeatureSpec,
    Lineage,
)
from metaxy.project.status import FeatureSource, feature_status, own_features


def records(ids: Sequence[str], version: str = "1") -> pl.DataFrame:
    """One row an id, all of one version."""
    provenance = [{"default": version} for _ in ids]
    return pl.DataFrame({"id": list(ids), "metaxy_provenance_by_field": provenance})


def declared_expansion() -> type[BaseFeature]:
    """A root, and a feature of several records for each of it."""

    class Video(BaseFeature, spec=FeatureSpec("video", id_columns=["id"])):
        id: str

    class Frame(
        BaseFeature,
        spec=FeatureSpec(
            "frame",
            id_columns=["id", "number"],
            deps=[FeatureDep(Video, lineage=Lineage.expansion(on=["id"]))],
        ),
    ):
        id: str
        number: int

    return Frame


def test_of_an_expansion_parents_are_counted(folder: Path) -> None:
    """Added and changed count parents, and say by which column; records count records."""
    declared_expansion()
    store = DeltaMetadataStore(folder)
    with store.open("write"):
        store.write_metadata("video", records("abc"))
        parents = store.resolve_update("frame").added.to_polars().filter(id="a")
        children = parents.join(pl.DataFrame({"number": [1, 2]}), how="cross")
        store.write_metadata("frame", children, expanded_parents=parents)
        status = feature_status(store, FeatureKey("frame"))

    assert (status.state, status.records) == ("pending", 2)
    assert (status.added, status.changed, status.removed) == (2, 0, 0)
    assert (status.grain, status.counts_parents) == (("id",), True)


def test_a_dropped_upstream_is_waited_for(folder: Path) -> None:
    """What is stored is then no longer expected; what is to be added can't be told."""

    class Video(BaseFeature, spec=FeatureSpec("video", id_columns=["id"])):
        id: str

    class Crop(BaseFeature, spec=FeatureSpec("crop", id_columns=["id"], deps=[FeatureDep(Video)])):
        id: str

    store = DeltaMetadataStore(folder)
    with store.open("write"):
        store.write_metadata(Video, records("ab"))
        store.write_metadata(Crop, store.resolve_update(Crop).added)
        store.drop_feature_metadata(Video)
        status = feature_status(store, FeatureKey(Crop))

    assert (status.state, status.waits_for) == ("waiting", (FeatureKey("video"),))
    assert (status.records, status.added, status.removed) == (2, None, 2)


def test_an_upstream_whose_records_were_all_deleted_is_not_waited_for(folder: Path) -> None:
    """It was written: that it has no records now is the answer, not a gap."""

    class Video(BaseFeature, spec=FeatureSpec("video", id_columns=["id"])):
        id: str

    class Crop(BaseFeature, spec=FeatureSpec("crop", id_columns=["id"], deps=[FeatureDep(Video)])):
        id: str

    store = DeltaMetadataStore(folder)
    with store.open("write"):
        store.write_metadata(Video, records("a"))
        store.delete_metadata(Video, filters=["id = 'a'"])
        root = feature_status(store, FeatureKey("video"))
        crop = feature_status(store, FeatureKey(Crop))

    assert (root.state, root.records) == ("not_compared", 0)
    assert (crop.state, crop.waits_for, crop.added) == ("in_sync", (), 0)


def test_an_optional_upstream_is_not_waited_for(folder: Path) -> None:
    """It is named as missing, but records are expected without it."""

    class Video(BaseFeature, spec=FeatureSpec("video", id_columns=["id"])):
        id: str

    class Label(BaseFeature, spec=FeatureSpec("label", id_columns=["id"])):
        id: str

    class Crop(
        BaseFeature,
        spec=FeatureSpec(
            "crop", id_columns=["id"], deps=[FeatureDep(Video), FeatureDep(Label, optional=True)]
        ),
    ):
        id: str

    store = DeltaMetadataStore(folder)
    with store.open("write"):
        store.write_metadata(Video, records("ab"))
        status = feature_status(store, FeatureKey(Crop))

    assert (status.state, status.added) == ("pending", 2)
    assert status.waits_for == (FeatureKey("label"),)


def test_what_a_fallback_store_has_counts_for_upstreams(folder: Path) -> None:
    """What is computed is written to the store itself; roots that are read need not be there."""
    declared_expansion()
    behind = DeltaMetadataStore(folder / "prod")
    with behind.open("write"):
        behind.write_metadata("video", records("ab"))
    store = DeltaMetadataStore(folder / "dev", fallback_stores=[behind])
    with store:
        root = feature_status(store, FeatureKey("video"))
        child = feature_status(store, FeatureKey("frame"))

    assert (root.state, root.records) == ("not_compared", 0)
    assert root.source == FeatureSource(behind.display(), place=(0,))
    assert (child.state, child.added, child.source) == ("pending", 2, None)


def test_the_source_is_found_in_nested_chains(folder: Path) -> None:
    """It is the store that answers a read, also for a view of the past."""
    declared_expansion()
    last = DeltaMetadataStore(folder / "last")
    middle = DeltaMetadataStore(folder / "middle", fallback_stores=[last])
    with last.open("write"):
        last.write_metadata("video", records("a"))
    beside = DeltaMetadataStore(folder / "beside")
    store = DeltaMetadataStore(folder / "dev", fallback_stores=[beside, middle])
    with store:
        nested = feature_status(store, FeatureKey("video")).source
        past = feature_status(store.as_of(datetime.now(UTC)), FeatureKey("video")).source
    with beside.open("write"):
        beside.write_metadata("video", records("b"))
    with store:
        first = feature_status(store, FeatureKey("video")).source
    with store.open("write"):
        store.write_metadata("video", records("c"))
        own = feature_status(store, FeatureKey("video")).source

    assert nested == FeatureSource(last.display(), place=(1, 0))
    assert past is not None
    assert (past.place, past.is_fallback) == ((1, 0), True)
    assert first == FeatureSource(beside.display(), place=(0,))
    assert own == FeatureSource(store.display(), place=())
    assert not FeatureSource(store.display()).is_fallback


def test_features_of_other_projects_are_not_ones_own() -> None:
    """They are left out where the project is known, as a store won't write them."""

    class Video(BaseFeature, spec=FeatureSpec("video", id_columns=["id"])):
        project = "films"
        id: str

    class Crop(BaseFeature, spec=FeatureSpec("crop", id_columns=["id"], deps=[FeatureDep(Video)])):
        project = "crops"
        id: str

    graph = FeatureGraph.get_active()

    assert own_features(graph, "crops") == (FeatureKey(Crop),)
    assert own_features(graph, None) == (FeatureKey("video"), FeatureKey(Crop))
