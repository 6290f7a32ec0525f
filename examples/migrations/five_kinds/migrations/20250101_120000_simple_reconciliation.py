"""The transcript is made from the audio of a video, where it was made from all of it.

Nothing about the code that makes it is new. Whatever was up to date stays so, here and downstream.
"""

from datetime import UTC, datetime

from metaxy.migrations import DataVersionReconciliation, PythonMigration


class SimpleReconciliationMigration(PythonMigration):
    """Transcripts say what they are made from."""

    migration_id: str = "20250101_120000_simple_reconciliation"
    created_at: datetime = datetime(2025, 1, 1, 12, tzinfo=UTC)
    parent: str = "initial"
    from_snapshot_version: str = "a256ad808c1366760d4982ff8e3c2cda481d302ad29128c687d53d59072b50c6"
    to_snapshot_version: str = "a2862c02890a8e1245cf57f3df3a92214f0f0506edea1535c5f1cf2221aab807"

    def build_operations(self) -> list[DataVersionReconciliation]:
        """One operation without a feature: for every feature that is affected."""
        return [
            DataVersionReconciliation(reason="It has only ever listened; same code, same text.")
        ]
