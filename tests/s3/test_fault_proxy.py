"""Each fault of the proxy does what it says, to the client and to the server.

A test of metaxy under faults proves nothing unless the faults happen.
"""

import time
from contextlib import suppress

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ResponseStreamingError,
)

from support.fault_proxy import Fault, FaultKind, FaultProxy, Request, fault_proxy
from support.s3_endpoint import S3Endpoint
from support.s3_servers import S3Server


def put(endpoint: S3Endpoint, key: str, body: bytes, **conditions: str) -> None:
    """Put an object, once."""
    with endpoint.client(attempts=1) as client:
        client.put_object(Bucket=endpoint.bucket, Key=key, Body=body, **conditions)


def get(endpoint: S3Endpoint, key: str) -> bytes | None:
    """Get an object, once; None if there is none."""
    with endpoint.client(attempts=1) as client:
        try:
            body: bytes = client.get_object(Bucket=endpoint.bucket, Key=key)["Body"].read()
        except client.exceptions.NoSuchKey:
            return None
    return body


def test_without_faults_all_comes_through_and_is_logged(proxy: FaultProxy, prefix: str) -> None:
    """The proxy passes on signatures, conditions and odd keys, and tells what came."""
    key = f"{prefix}/a b/é%25"
    put(proxy.endpoint, key, b"content", IfNoneMatch="*")
    read = get(proxy.endpoint, key)
    with proxy.endpoint.client() as client:
        client.list_objects_v2(Bucket=proxy.endpoint.bucket, Prefix=prefix)
        client.head_object(Bucket=proxy.endpoint.bucket, Key=key)

    assert read == b"content"
    assert proxy.requests() == [
        Request("PUT", key, conditional=True, status=200, faults=()),
        Request("GET", key, conditional=False, status=200, faults=()),
        Request("LIST", prefix, conditional=False, status=200, faults=()),
        Request("HEAD", key, conditional=False, status=200, faults=()),
    ]
    assert proxy.counts() == {"PUT": 1, "GET": 1, "LIST": 1, "HEAD": 1}


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (Fault("refuse", status=500), "500"),
        (Fault("refuse", status=503), "503"),
        (Fault("reset"), "Connection was closed"),
        (Fault("hang", seconds=0.2), "Connection was closed"),
    ],
    ids=lambda value: f"{value.kind}-{value.status}" if isinstance(value, Fault) else "",
)
def test_a_fault_before_leaves_the_server_as_it_was(
    proxy: FaultProxy, lake: S3Endpoint, prefix: str, fault: Fault, told: str
) -> None:
    """The client sees a failure, and the server never saw the request."""
    proxy.set_faults(fault)
    with pytest.raises((ClientError, ConnectionClosedError), match=told):
        put(proxy.endpoint, prefix, b"new")

    assert get(lake, prefix) is None
    assert proxy.requests() == [
        Request("PUT", prefix, conditional=False, status=None, faults=(fault.kind,))
    ]


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (Fault("refuse_after", status=500), "500"),
        (Fault("lose_answer"), "Connection was closed"),
        (Fault("hang_after", seconds=0.2), "Connection was closed"),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else "",
)
def test_a_fault_after_hides_that_the_server_has_done_it(
    proxy: FaultProxy, lake: S3Endpoint, prefix: str, fault: Fault, told: str
) -> None:
    """The client sees the same failures, and the server has carried the request out."""
    proxy.set_faults(fault)
    with pytest.raises((ClientError, ConnectionClosedError), match=told):
        put(proxy.endpoint, prefix, b"new")

    assert get(lake, prefix) == b"new"
    assert proxy.requests() == [
        Request("PUT", prefix, conditional=False, status=200, faults=(fault.kind,))
    ]


def test_a_truncated_answer_ends_in_its_middle(
    proxy: FaultProxy, lake: S3Endpoint, prefix: str
) -> None:
    """The head announces the whole body; half of it comes."""
    put(lake, prefix, b"0123456789")
    proxy.set_faults(Fault("truncate"))

    with pytest.raises(ResponseStreamingError, match="5 bytes read, 5 more expected"):
        get(proxy.endpoint, prefix)


@pytest.mark.parametrize("kind", ["hang", "hang_after"])
def test_a_hanging_request_is_silent_until_its_time_is_over(
    proxy: FaultProxy, prefix: str, kind: FaultKind
) -> None:
    """A client that waits for less gives up first; one that waits sees the connection cut."""
    proxy.set_faults(Fault(kind, seconds=0.5))
    start = time.monotonic()
    with pytest.raises(ConnectionClosedError):
        put(proxy.endpoint, prefix, b"")

    assert time.monotonic() - start >= 0.5


def test_delays_add_up_and_other_faults_strike_too(
    proxy: FaultProxy, lake: S3Endpoint, prefix: str
) -> None:
    """Latency is one fault among others, so that a slow server can be a bad one as well."""
    proxy.set_faults(
        Fault("delay", seconds=0.2),
        Fault("delay", operation="PUT", seconds=0.2),
        Fault("lose_answer", operation="PUT"),
    )
    start = time.monotonic()
    with pytest.raises(ConnectionClosedError):
        put(proxy.endpoint, prefix, b"new")

    assert time.monotonic() - start >= 0.4
    assert get(lake, prefix) == b"new"
    assert proxy.requests()[0].faults == ("delay", "delay", "lose_answer")


def test_a_fault_strikes_where_its_patterns_match(proxy: FaultProxy, prefix: str) -> None:
    """Commits can be hit alone: by operation and key together."""
    proxy.set_faults(Fault("refuse", operation="PUT", key="*/_delta_log/*.json"))
    put(proxy.endpoint, f"{prefix}/part-0.parquet", b"")
    assert get(proxy.endpoint, f"{prefix}/_delta_log/0.json") is None
    with pytest.raises(ClientError):
        put(proxy.endpoint, f"{prefix}/_delta_log/0.json", b"")

    assert [request.faults for request in proxy.requests()] == [(), (), ("refuse",)]


def test_a_fault_can_strike_at_the_nth_match_or_so_often(proxy: FaultProxy, prefix: str) -> None:
    """Matches are counted from 1, each fault's on its own, from when the faults are set."""
    proxy.set_faults(
        Fault("refuse", operation="GET", nth=2), Fault("reset", operation="GET", times=1)
    )
    with proxy.endpoint.client(attempts=1) as client:
        for _ in range(4):
            with suppress(ClientError, ConnectionClosedError):
                client.get_object(Bucket=proxy.endpoint.bucket, Key=prefix)

    assert [request.faults for request in proxy.requests()] == [("reset",), ("refuse",), (), ()]


def test_a_seed_chooses_the_requests_that_a_probable_fault_hits(
    proxy: FaultProxy, prefix: str
) -> None:
    """The same seed hits the same requests, and about as many as were asked for."""
    rounds: list[list[tuple[str, ...]]] = []
    for _ in range(2):
        proxy.forget_requests()
        proxy.set_faults(Fault("refuse", probability=0.25), seed=5)
        with proxy.endpoint.client(attempts=1) as client:
            for _ in range(40):
                with pytest.raises(ClientError):
                    client.get_object(Bucket=proxy.endpoint.bucket, Key=prefix)
        rounds.append([request.faults for request in proxy.requests()])

    assert rounds[0] == rounds[1]
    assert 4 <= rounds[0].count(("refuse",)) <= 16


def test_conditions_can_be_kept_from_a_server_that_trusts_all(
    lying_proxy: FaultProxy, moto: S3Server, prefix: str
) -> None:
    """So an honest server is made to overwrite: the log still tells what the client asked."""
    put(moto.owner, prefix, b"first")
    put(lying_proxy.endpoint, prefix, b"second", IfNoneMatch="*")

    assert get(moto.owner, prefix) == b"second"
    assert lying_proxy.requests() == [
        Request("PUT", prefix, conditional=True, status=200, faults=("ignore_conditions",))
    ]


def test_a_server_that_checks_signatures_sees_that_a_condition_is_gone(
    rgw: S3Server, prefix: str
) -> None:
    """Before Ceph the proxy can't make a liar: conditions are signed."""
    with fault_proxy(rgw.owner) as proxy:
        proxy.set_faults(Fault("ignore_conditions"))
        with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
            put(proxy.endpoint, prefix, b"", IfNoneMatch="*")
