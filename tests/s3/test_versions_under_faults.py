"""Older versions of tables whose store doesn't answer: nobody is told that they are gone."""

from collections.abc import Callable

import pytest

from films import films, polars, videos
from metaxy.errors import TableVersionNotFoundError, UnreadableTableError
from metaxy.metadata_store.base import MetadataStore
from metaxy.metadata_store.delta import DeltaMetadataStore
from support.fault_proxy import Fault, FaultProxy
from support.s3_endpoint import S3Endpoint
from support.trials import HURRIED

pytestmark = pytest.mark.parametrize("s3", ["moto"], indirect=True)


def _at_version(store: MetadataStore) -> list[int]:
    return polars(store.read_metadata("video", table_version=1))["n"].to_list()


def _at_tag(store: MetadataStore) -> list[int]:
    return polars(store.as_of("first").read_metadata("video"))["n"].to_list()


@pytest.mark.parametrize("read", [_at_version, _at_tag])
@pytest.mark.parametrize("nth", [None, 1], ids=["for a while", "once"])
def test_a_version_that_can_not_be_reached_is_not_told_as_gone(
    proxy: FaultProxy,
    lake: S3Endpoint,
    prefix: str,
    read: Callable[[MetadataStore], list[int]],
    nth: int | None,
) -> None:
    """It is read when the store answers again."""
    options = proxy.endpoint.storage_options() | HURRIED
    writer = DeltaMetadataStore(
        lake.uri(prefix), graph=films(), storage_options=lake.storage_options()
    )
    with writer.open("write"):
        for number in (1, 2):
            writer.write_metadata("video", videos(("a", str(number), "1"), n=[number]))
            if number == 1:
                writer.tag("first")
    reader = DeltaMetadataStore(proxy.endpoint.uri(prefix), graph=films(), storage_options=options)
    with reader.open():
        assert polars(reader.read_metadata("video"))["n"].to_list() == [2]
        commit = "*/video.delta/_delta_log/00000000000000000001.json"
        proxy.set_faults(Fault("refuse", "GET", commit, nth=nth, status=403))
        with pytest.raises(UnreadableTableError) as raised:
            read(reader)
        proxy.set_faults()

        assert not isinstance(raised.value, TableVersionNotFoundError)
        assert read(reader) == [1]
