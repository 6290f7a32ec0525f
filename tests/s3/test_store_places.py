import os
import pickle
from pathlib import Path

import pytest

from films import films, stored, update, videos
from metaxy.errors import ConfigError, StoreError
from metaxy.metadata_store.delta import DeltaMetadataStore
from metaxy.metadata_store.storage import Storage
from support.fault_proxy import FaultProxy
from support.s3_endpoint import S3Endpoint


def keys_in(endpoint: S3Endpoint) -> set[str]:
    """All keys of a bucket."""
    with endpoint.client() as client:
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=endpoint.bucket)
        return {each["Key"] for page in pages for each in page.get("Contents", ())}


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the machine says anything of S3."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.mark.parametrize("folder", ["plain", "a b", "é/日本", "a+b=c&d;e", "{x}'\"~", "a.delta"])
def test_a_lake_on_s3_may_have_an_odd_root(lake: S3Endpoint, prefix: str, folder: str) -> None:
    """The main job works, in both layouts, and nothing lies beside the lake."""
    before = keys_in(lake)
    for layout in ("nested", "flat"):
        place = f"{prefix}/{folder}/{layout}"
        options = lake.storage_options()
        store = DeltaMetadataStore(
            lake.uri(place),
            graph=films(),
            layout=layout,
            storage_options=options,
        )
        with store.open("write"):
            assert update(store, "video", videos(("a", "1", "1"), ("b", "1", "1"))) == [2, 0, 0]
            store.write_metadata("video", videos(("a", "2", "1"), size=[1]))
            assert update(store, "transcript") == [2, 0, 0]
            assert [str(key) for key in store.list_features()] == ["transcript", "video"]
            store.drop_feature_metadata("transcript")
            assert [str(key) for key in store.list_features()] == ["video"]

    new = keys_in(lake) - before
    assert {key for key in new if not key.startswith(f"{prefix}/{folder}/")} == set()
    assert not [key for key in new if "probe" in key]


@pytest.mark.parametrize(
    ("root", "named"),
    [
        ("s3://b/a?b", "'?'"),
        ("s3://b/a#b", "'#'"),
        ("s3://b/a%20b", "'%'"),
        ("s3://b/a[1]|2^3\\4", "'[', '\\\\', ']', '^', '|'"),
        ("s3://b/*", "'*'"),
        ("s3://b/a//b", "'//'"),
        ("s3://b/../a", "'/..'"),
        ("s3://b/a\nb", "n'"),
    ],
)
def test_a_root_on_s3_that_would_be_another_lake_is_refused(root: str, named: str) -> None:
    """`a?b` and `a#b` would be the lake `a`."""
    with pytest.raises(ConfigError, match="delta-rs can't use URIs with") as raised:
        DeltaMetadataStore(root, graph=films())

    assert named in str(raised.value)


def test_a_root_needs_a_bucket() -> None:
    """A scheme alone is no place."""
    with pytest.raises(ConfigError, match="names no place"):
        DeltaMetadataStore("s3://", graph=films())


def test_options_have_one_form_for_all_libraries(lake: S3Endpoint, prefix: str) -> None:
    """In the names of delta-rs, of s3fs, or of the environment; numbers and truths, too."""
    assert lake.access_key is not None
    forms: list[dict[str, object]] = [
        {
            "key": lake.access_key,
            "secret": lake.secret_key,
            "endpoint_url": lake.url,
            "region": lake.region,
            "max_retries": 3,
            "allow_http": True,
        },
        {name.upper(): value for name, value in lake.storage_options().items()},
    ]
    for number, options in enumerate(forms):
        store = DeltaMetadataStore(
            lake.uri(f"{prefix}/{number}"),
            graph=films(),
            storage_options=options,  # pyright: ignore[reportArgumentType]
        )
        with store.open("write"):
            update(store, "video", videos(("a", "1", "1")))
            assert stored(store, "video", "id") == ["a"]
            assert [str(key) for key in store.list_features()] == ["video"]


def test_the_environment_says_what_the_options_do_not(
    lake: S3Endpoint, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without AWS_ALLOW_HTTP, too; and no variable can turn off what safe commits need."""
    variables = lake.environment() | {
        "AWS_CONDITIONAL_PUT": "disabled",
        "AWS_SKIP_SIGNATURE": "true",
    }
    del variables["AWS_ALLOW_HTTP"]
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    store = DeltaMetadataStore(lake.uri(prefix), graph=films())
    with store.open("write"):
        update(store, "video", videos(("a", "1", "1")))
        assert stored(store, "video", "id") == ["a"]
    pickled = pickle.dumps(store)
    for name in variables:
        monkeypatch.delenv(name)
    again = pickle.loads(pickled)  # noqa: S301 -- our own

    assert lake.secret_key is not None
    assert lake.secret_key.encode() not in pickled
    assert "aws_secret_access_key" not in again._storage.options


def test_a_profile_says_how_a_lake_is_reached(
    lake: S3Endpoint, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Named in the options or in the environment; explicit options come before it."""
    file = tmp_path / "credentials"
    file.write_text(
        f"[lake]\naws_access_key_id = {lake.access_key}\n"
        f"aws_secret_access_key = {lake.secret_key}\n"
        f"endpoint_url = {lake.url}\nregion = {lake.region}\n"
    )
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    named = DeltaMetadataStore(lake.uri(prefix), graph=films(), storage_options={"profile": "lake"})
    with named.open("write"):
        update(named, "video", videos(("a", "1", "1")))
    monkeypatch.setenv("AWS_PROFILE", "lake")
    with DeltaMetadataStore(lake.uri(prefix), graph=films()) as store:
        assert stored(store, "video", "id") == ["a"]
        assert [str(key) for key in store.list_features()] == ["video"]
    with pytest.raises(ConfigError, match=r"The AWS profile 'nobody' can't be read"):
        DeltaMetadataStore("s3://b/x", storage_options={"aws_profile": "nobody"})


def test_credentials_come_from_one_place() -> None:
    """A key of the options is never joined with a token of the environment."""
    environment = {
        "AWS_ACCESS_KEY_ID": "theirs",
        "AWS_SECRET_ACCESS_KEY": "theirs",
        "AWS_SESSION_TOKEN": "theirs",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }
    given = {"aws_access_key_id": "mine", "aws_secret_access_key": "mine"}
    explicit = Storage.of("s3://b/x", given, environment=environment).options
    anonymous = Storage.of("s3://b/x", {"anon": True}, environment=environment).options
    taken = Storage.of("s3://b/x", environment=environment).options

    assert "aws_session_token" not in explicit
    assert explicit["aws_access_key_id"] == "mine"
    assert explicit["aws_region"] == "eu-west-1"
    assert "aws_access_key_id" not in anonymous
    assert anonymous["aws_skip_signature"] == "true"
    assert taken["aws_session_token"] == "theirs"  # noqa: S105 -- of a test


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"aws_regoin": "x"}, "'aws_regoin', which no S3 lake knows. Did you mean 'aws_region'?"),
        ({"aws_s3_allow_unsafe_rename": "true"}, "which no S3 lake knows"),
        ({"conditional_put": "disabled"}, "would lose commits without a word"),
        ({"max_retries": "many"}, "it is a number"),
    ],
)
def test_options_that_mean_nothing_or_harm_are_refused(options: dict[str, str], told: str) -> None:
    """Libraries would ignore them silently, or commits would not be safe."""
    with pytest.raises(ConfigError) as raised:
        DeltaMetadataStore("s3://b/lake", storage_options=options)

    assert told in str(raised.value)
    assert raised.value.setting == "storage_options"


def test_no_lake_is_made_where_conditional_puts_are_ignored(
    lying: S3Endpoint, lying_proxy: FaultProxy, prefix: str
) -> None:
    """Two writers at once would lose commits; the server is tried before the first table is."""
    store = DeltaMetadataStore(
        lying.uri(prefix), graph=films(), storage_options=lying.storage_options()
    )
    with store.open("write"):
        for _ in range(2):
            with pytest.raises(ConfigError, match=r"overwrites files that it was told not to"):
                store.write_metadata("video", videos(("a", "1", "1")))
        assert store.list_features() == ()
    lying_proxy.set_faults()

    assert {key for key in keys_in(lying) if key.startswith(prefix)} == set()


def test_a_real_server_without_conditional_puts_is_refused(nanio: S3Endpoint, prefix: str) -> None:
    """Not only the proxy that plays one."""
    store = DeltaMetadataStore(
        nanio.uri(prefix), graph=films(), storage_options=nanio.storage_options()
    )
    with store.open("write"), pytest.raises(ConfigError, match=r"overwrites files"):
        store.write_metadata("video", videos(("a", "1", "1")))


def test_a_lake_that_can_not_be_written_is_told_without_secrets(
    rgw: object, lake: S3Endpoint, prefix: str
) -> None:
    """A bucket that isn't there, before anything else happens."""
    del rgw
    options = lake.storage_options()
    store = DeltaMetadataStore(
        f"s3://no-such-bucket/{prefix}", graph=films(), storage_options=options
    )
    with pytest.raises(StoreError) as raised, store.open("write"):
        store.write_metadata("video", videos(("a", "1", "1")))

    assert "no-such-bucket" in str(raised.value)
    assert options["aws_secret_access_key"] not in str(raised.value)
