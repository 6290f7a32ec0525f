"""Tags: names for what every table of a lake had at one moment.

A tag is a row of the system table `metaxy-system/tags`; its removal is another row.
"""

from collections.abc import Mapping

from metaxy.metadata_store.opening import OpenableStore
from metaxy.models.keys import FeatureKey


def pinned_versions(store: OpenableStore) -> Mapping[FeatureKey, frozenset[int]]:
    """The versions that tags need, by table (features and system tables); none without tags.

    Maintenance must keep every file and every log entry that one of these versions is read from.
    """
    del store
    return {}
