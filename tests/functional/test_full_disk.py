"""A disk that is full refuses writes, and takes nothing from what was written before."""

import shutil
import subprocess
import sys

import pytest

IN_NAMESPACE = ["unshare", "--user", "--map-root-user", "--mount", "--"]
FULL_DISK = """
import random, subprocess, sys
from pathlib import Path
from films import films, stored, update, videos
from metaxy.errors import StoreError
from metaxy.metadata_store.delta import DeltaMetadataStore

disk = Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", disk], check=True)
filler = disk / "filler"
filler.write_bytes(bytes(2_000_000))
random.seed(1)
told = {"written": [], "refused": []}
with DeltaMetadataStore(disk / "lake", graph=films()).open("write") as store:
    for number in range(120):
        text = ["".join(random.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=30_000))]
        try:
            store.write_metadata("video", videos((str(number), "1", "1"), text=text))
        except StoreError as error:
            assert "nothing was written" in str(error), error
            told["refused"].append(str(number))
        else:
            told["written"].append(str(number))
        assert stored(store, "video", "id", latest_only=False) == sorted(told["written"])
    filler.unlink()
    store.write_metadata("video", videos(("room", "1", "1")))
    assert not list(disk.rglob("*.part")) and not list(disk.rglob("*.tmp"))
with DeltaMetadataStore(disk / "lake", graph=films()).open("write") as store:
    assert stored(store, "video", "id") == sorted([*told["written"], "room"])
    assert update(store, "transcript")[0] == len(told["written"]) + 1
    assert update(store, "transcript") == [0, 0, 0]
print(len(told["written"]), len(told["refused"]))
"""


def can_mount() -> bool:
    """Whether this user may have mounts of its own."""
    if shutil.which("unshare") is None:
        return False
    tried = subprocess.run(  # noqa: S603 -- a program of the system
        [*IN_NAMESPACE, "mount", "-t", "tmpfs", "tmpfs", "/mnt"],
        capture_output=True,
        check=False,
    )
    return tried.returncode == 0


@pytest.mark.slow
@pytest.mark.skipif(not can_mount(), reason="needs a disk of its own, and may not mount one")
def test_a_disk_that_is_full_loses_nothing(tmp_path_factory: pytest.TempPathFactory) -> None:
    """120 writes to a disk of 8 MB: those that were acknowledged are there after each, and last."""
    disk = tmp_path_factory.mktemp("disk")
    done = subprocess.run(  # noqa: S603 -- a program of ours
        [
            *(*IN_NAMESPACE, sys.executable, "-c"),
            *(f"import sys; sys.path[:] = {sys.path!r}\n{FULL_DISK}", str(disk)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    written, refused = map(int, done.stdout.split())
    assert written >= 20
    assert refused >= 60
