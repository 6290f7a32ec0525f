"""What a lake needs of an S3 server, asked of the servers that the tests run on.

A fact that fails here is a fault of the ground that other tests stand on, not of metaxy.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import s3fs
from botocore.exceptions import ClientError

from support.s3_endpoint import S3Endpoint
from support.s3_servers import S3Server


def status_of(call: Callable[..., Any], **arguments: Any) -> int:
    """The status that a call of boto3 ends with."""
    try:
        answer: Any = call(**arguments)
    except ClientError as error:
        answer = error.response
    status: int = answer["ResponseMetadata"]["HTTPStatusCode"]
    return status


def test_a_key_that_exists_is_not_put_again_on_condition(lake: S3Endpoint, prefix: str) -> None:
    """A put that asks for a new key is refused for an old one, which keeps its content."""
    key = {"Bucket": lake.bucket, "Key": f"{prefix}/key"}
    with lake.client() as client:
        first = status_of(client.put_object, **key, Body=b"first", IfNoneMatch="*")
        second = status_of(client.put_object, **key, Body=b"second", IfNoneMatch="*")
        kept = client.get_object(**key)["Body"].read()

    assert (first, second, kept) == (200, 412, b"first")


def test_a_race_of_sixteen_conditional_puts_has_one_winner(lake: S3Endpoint, prefix: str) -> None:
    """Of sixteen puts at once that ask for a new key, one is carried out, ten times out of ten."""
    with lake.client(attempts=1) as client, ThreadPoolExecutor(16) as threads:

        def put(task: tuple[int, int]) -> tuple[int, int]:
            race, racer = task
            status = status_of(
                client.put_object,
                Bucket=lake.bucket,
                Key=f"{prefix}/{race}",
                Body=f"{racer}".encode() * 1000,
                IfNoneMatch="*",
            )
            return race, status

        results = list(
            threads.map(put, [(race, racer) for race in range(10) for racer in range(16)])
        )

    winners = [
        sum(status == 200 for number, status in results if number == race) for race in range(10)
    ]
    assert winners == [1] * 10
    assert {status for _, status in results} <= {200, 409, 412}


def test_keys_are_listed_in_order_by_pages_and_from_a_key_on(lake: S3Endpoint, prefix: str) -> None:
    """Log files are found by listing from a version on, folders by a delimiter."""
    keys = [f"{prefix}/log/{number:03d}" for number in range(25)]
    with lake.client() as client:
        for key in keys:
            client.put_object(Bucket=lake.bucket, Key=key, Body=b".")
        ask = {"Bucket": lake.bucket, "Prefix": f"{prefix}/"}
        pages = [
            [item["Key"] for item in page["Contents"]]
            for page in client.get_paginator("list_objects_v2").paginate(
                **ask, PaginationConfig={"PageSize": 10}
            )
        ]
        rest = client.list_objects_v2(**ask, StartAfter=keys[20])["Contents"]
        folders = client.list_objects_v2(**ask, Delimiter="/")["CommonPrefixes"]

    assert pages == [keys[:10], keys[10:20], keys[20:]]
    assert [item["Key"] for item in rest] == keys[21:]
    assert folders == [{"Prefix": f"{prefix}/log/"}]


@pytest.mark.parametrize(
    ("asked", "part"), [("bytes=2-4", b"234"), ("bytes=-3", b"789"), ("bytes=7-", b"789")]
)
def test_a_part_of_an_object_can_be_got(
    lake: S3Endpoint, prefix: str, asked: str, part: bytes
) -> None:
    """The footer of a Parquet file is got without the rest of it."""
    key = {"Bucket": lake.bucket, "Key": f"{prefix}/key"}
    with lake.client() as client:
        client.put_object(**key, Body=b"0123456789")

        assert client.get_object(**key, Range=asked)["Body"].read() == part


def test_a_large_object_can_be_put_in_parts(lake: S3Endpoint, prefix: str) -> None:
    """An object is there with all its parts once the upload is completed, and not before."""
    key = {"Bucket": lake.bucket, "Key": f"{prefix}/key"}
    part_bytes = 5 * 2**20
    with lake.client() as client:
        upload = client.create_multipart_upload(**key)["UploadId"]
        parts = [
            {
                "PartNumber": number,
                "ETag": client.upload_part(
                    **key, UploadId=upload, PartNumber=number, Body=bytes([number]) * part_bytes
                )["ETag"],
            }
            for number in (1, 2)
        ]
        before = status_of(client.head_object, **key)
        client.complete_multipart_upload(**key, UploadId=upload, MultipartUpload={"Parts": parts})
        body = client.get_object(**key)["Body"].read()

    assert before == 404
    assert body == b"\1" * part_bytes + b"\2" * part_bytes


@pytest.mark.parametrize("name", ["a b", "é", "ぴ", "a%25b", "a+b", "a=b", "a#b", "a?b", "a&b"])
def test_odd_keys_name_one_object_each(lake: S3Endpoint, prefix: str, name: str) -> None:
    """A key comes back from a listing as it was put, whatever signs it has."""
    with lake.client() as client:
        client.put_object(Bucket=lake.bucket, Key=f"{prefix}/{name}/x", Body=name.encode())
        listed = client.list_objects_v2(Bucket=lake.bucket, Prefix=f"{prefix}/")["Contents"]
        body = client.get_object(Bucket=lake.bucket, Key=f"{prefix}/{name}/x")["Body"].read()

    assert [item["Key"] for item in listed] == [f"{prefix}/{name}/x"]
    assert body == name.encode()


def test_all_may_read_the_public_bucket(s3: S3Server, prefix: str) -> None:
    """Somebody without a name gets and lists there."""
    key = {"Bucket": s3.public.bucket, "Key": f"{prefix}/key"}
    with s3.public.client() as owner, s3.public.anonymous().client() as anybody:
        owner.put_object(**key, Body=b"for all")

        assert anybody.get_object(**key)["Body"].read() == b"for all"
        assert status_of(anybody.head_object, **key) == 200
        assert status_of(anybody.list_objects_v2, Bucket=s3.public.bucket) == 200


def test_a_reader_may_get_and_list_and_nothing_else(rgw: S3Server, prefix: str) -> None:
    """Rights are checked for real: a user who may read is refused every change."""
    assert rgw.reader is not None
    key = {"Bucket": rgw.owner.bucket, "Key": f"{prefix}/key"}
    with rgw.owner.client() as owner, rgw.reader.client() as reader:
        owner.put_object(**key, Body=b"to read")

        assert reader.get_object(**key)["Body"].read() == b"to read"
        assert status_of(reader.list_objects_v2, Bucket=rgw.owner.bucket) == 200
        assert status_of(reader.put_object, **key, Body=b"mine") == 403
        assert status_of(reader.delete_object, **key) == 403
        assert status_of(reader.create_multipart_upload, **key) == 403


def test_strangers_are_refused(rgw: S3Server, prefix: str) -> None:
    """No name, an unknown name, and a name with a wrong secret: none gets in."""
    owner = rgw.owner
    strangers = [
        owner.anonymous(),
        S3Endpoint(owner.url, owner.bucket, "nobody", "secret"),
        S3Endpoint(owner.url, owner.bucket, owner.access_key, "wrong"),
    ]
    with owner.client() as client:
        client.put_object(Bucket=owner.bucket, Key=prefix, Body=b"secret")
    for stranger in strangers:
        with stranger.client() as client:
            assert status_of(client.get_object, Bucket=owner.bucket, Key=prefix) == 403
            assert status_of(client.list_objects_v2, Bucket=owner.bucket) == 403


def test_s3fs_creates_a_key_that_is_new_and_no_other(lake: S3Endpoint, prefix: str) -> None:
    """Conditional puts can be tried with s3fs, which tells a refusal differently each time.

    A refused put is a `FileExistsError` only where the server sends a message with its code.
    """
    files: Any = s3fs.S3FileSystem(**lake.s3fs_options())
    key = f"{lake.bucket}/{prefix}"
    files.pipe_file(key, b"first", mode="create")
    with pytest.raises(OSError) as refusal:  # noqa: PT011 - The code below says which.
        files.pipe_file(key, b"second", mode="create")

    assert isinstance(refusal.value.__cause__, ClientError)
    assert refusal.value.__cause__.response["Error"]["Code"] == "PreconditionFailed"
    assert files.cat_file(key) == b"first"


def test_s3fs_takes_a_lying_server_at_its_word(lying: S3Endpoint, prefix: str) -> None:
    """So a second create that succeeds shows that the server has no conditional puts."""
    files: Any = s3fs.S3FileSystem(**lying.s3fs_options())
    key = f"{lying.bucket}/{prefix}"
    files.pipe_file(key, b"first", mode="create")
    files.pipe_file(key, b"second", mode="create")

    assert files.cat_file(key) == b"second"


@pytest.mark.parametrize("name", ["lying", "nanio"])
def test_a_lying_server_overwrites_on_condition(
    request: pytest.FixtureRequest, prefix: str, name: str
) -> None:
    """What a lake must not be put on: a conditional put that is carried out in any case."""
    endpoint: S3Endpoint = request.getfixturevalue(name)
    key = {"Bucket": endpoint.bucket, "Key": prefix}
    with endpoint.client() as client:
        client.put_object(**key, Body=b"first", IfNoneMatch="*")

        assert status_of(client.put_object, **key, Body=b"second", IfNoneMatch="*") == 200
        assert client.get_object(**key)["Body"].read() == b"second"
