"""Where an S3 bucket is and who asks for it, in the words of each library."""

from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

import boto3
from botocore import UNSIGNED
from botocore.config import Config

REGION: Final = "us-east-1"


@dataclass(frozen=True)
class S3Endpoint:
    """A bucket at a server on this machine, seen by one user."""

    url: str
    bucket: str
    access_key: str | None
    """None for someone who gives no name at all."""
    secret_key: str | None
    region: str = REGION

    def anonymous(self) -> "S3Endpoint":
        """The same bucket, asked for without a name."""
        return replace(self, access_key=None, secret_key=None)

    def uri(self, prefix: str) -> str:
        """The place of a prefix in the bucket, as lakes are named."""
        return f"s3://{self.bucket}/{prefix}"

    def storage_options(self) -> dict[str, str]:
        """What deltalake, polars and obstore need."""
        options = {
            "aws_endpoint_url": self.url,
            "aws_region": self.region,
            "aws_allow_http": "true",
        }
        if self.access_key is None or self.secret_key is None:
            return options | {"aws_skip_signature": "true"}
        return options | {
            "aws_access_key_id": self.access_key,
            "aws_secret_access_key": self.secret_key,
        }

    def environment(self) -> dict[str, str]:
        """What every library understands when nothing else is given."""
        return {name.upper(): value for name, value in self.storage_options().items()}

    def s3fs_options(self) -> dict[str, Any]:
        """What s3fs needs; with no cache, so that requests can be counted."""
        return {
            "endpoint_url": self.url,
            "key": self.access_key,
            "secret": self.secret_key,
            "anon": self.access_key is None,
            "client_kwargs": {"region_name": self.region},
            "use_listings_cache": False,
            "skip_instance_cache": True,
        }

    @contextmanager
    def client(self, *, attempts: int = 3) -> Generator[Any]:
        """A boto3 client, to look at the server past the libraries under test."""
        library: Any = boto3  # It has no types.
        made = library.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name=self.region,
            config=Config(
                s3={"addressing_style": "path"},
                signature_version=UNSIGNED if self.access_key is None else "s3v4",
                retries={"total_max_attempts": attempts},
                max_pool_connections=32,
                connect_timeout=5,
                read_timeout=30,
            ),
        )
        with closing(made):
            yield made
