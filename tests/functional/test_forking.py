import subprocess
import sys
from pathlib import Path

PROGRAM = """
import multiprocessing, os, sys
from films import films, stored, videos
from metaxy.errors import StoreError
from metaxy.metadata_store.delta import DeltaMetadataStore

def child(root, queue):
    try:
        with DeltaMetadataStore(root, graph=films()).open("write") as store:
            store.write_metadata("video", videos(("b", "1", "1")))
            queue.put(stored(store, "video", "id"))
    except StoreError as error:
        queue.put(str(error))

def outcome(root):
    fork = multiprocessing.get_context("fork")
    queue = fork.Queue()
    process = fork.Process(target=child, args=(root, queue))
    process.start()
    print(queue.get(timeout=30))
    process.join()

root = sys.argv[1]
if sys.argv[2] == "used":
    with DeltaMetadataStore(root, graph=films()).open("write") as store:
        store.write_metadata("video", videos(("a", "1", "1")))
outcome(root)
with DeltaMetadataStore(root, graph=films()) as store:
    print(stored(store, "video", "id"))
"""


def in_child(root: Path, mode: str) -> list[str]:
    """What the program prints, line by line."""
    program = f"import sys; sys.path[:] = {sys.path!r}\n{PROGRAM}"
    done = subprocess.run(  # noqa: S603 -- a program of ours
        [sys.executable, "-W", "ignore", "-c", program, str(root), mode],
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_process_that_was_forked_off_a_working_one_is_told_so(tmp_path: Path) -> None:
    """It would hang in Polars or panic in delta-rs; the parent works on."""
    told, kept = in_child(tmp_path, "used")

    assert told.startswith("This process was forked off one that had used a store.")
    assert "multiprocessing.get_context('spawn')" in told
    assert kept == "['a']"


def test_a_process_that_was_forked_before_all_work_works(tmp_path: Path) -> None:
    """Imports alone start no threads, so servers may load the program before they fork."""
    assert in_child(tmp_path, "unused") == ["['b']", "['b']"]
