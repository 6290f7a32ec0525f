"""The names and types of the columns that metaxy adds to every record.

What each column means is in docs/format.md; how a row gets its values is decided by
`metaxy.versioning.provenance` (versions) and `metaxy.metadata_store` (stamps).
"""

from typing import Final

import polars as pl

PREFIX: Final = "metaxy_"

PROVENANCE_BY_FIELD: Final = "metaxy_provenance_by_field"
PROVENANCE: Final = "metaxy_provenance"
DATA_VERSION_BY_FIELD: Final = "metaxy_data_version_by_field"
DATA_VERSION: Final = "metaxy_data_version"
FEATURE_VERSION: Final = "metaxy_feature_version"
SNAPSHOT_VERSION: Final = "metaxy_snapshot_version"
CREATED_AT: Final = "metaxy_created_at"
MATERIALIZATION_ID: Final = "metaxy_materialization_id"
DELETED_AT: Final = "metaxy_deleted_at"

INSTANT: Final = pl.Datetime("us", "UTC")
"""The type of every instant on disk: UTC, in microseconds."""

STAMPS: Final[dict[str, pl.DataType]] = {
    FEATURE_VERSION: pl.String(),
    SNAPSHOT_VERSION: pl.String(),
    CREATED_AT: INSTANT,
    DELETED_AT: INSTANT,
    MATERIALIZATION_ID: pl.String(),
    PROVENANCE: pl.String(),
    DATA_VERSION: pl.String(),
}
"""The system columns of one fixed type, in the order in which they stand on disk.

They stand before the user's columns, since Delta keeps statistics for the first 32 columns only,
and reads skip files by `metaxy_feature_version` and `metaxy_created_at`.
"""

BY_FIELD: Final = (PROVENANCE_BY_FIELD, DATA_VERSION_BY_FIELD)
"""The two structs with one text a field of the feature; they stand last on disk."""

SYSTEM_COLUMNS: Final = (*BY_FIELD, *STAMPS)
