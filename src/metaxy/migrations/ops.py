"""Operations: what a migration does to one feature.

`DataVersionReconciliation` carries records over a change that changes no result. Your own are
subclasses of `MetadataBackfill`, or of `BaseOperation`, with fields of their own. A file names an
operation's class by its path in `type`. `FeatureVersionMigration` and `CustomFunction` are what
files of the older format have.
"""

import importlib
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, cast, get_args, get_origin

from pydantic import BaseModel, ConfigDict, field_validator, model_validator

from metaxy.errors import MigrationError, MigrationRefusedError, did_you_mean
from metaxy.metadata_store.base import MetadataStore
from metaxy.migrations.carry_frames import Carrying
from metaxy.migrations.carrying import carry, plan_carrying
from metaxy.migrations.reconciliation import affected_features
from metaxy.migrations.runs import run_of
from metaxy.migrations.snapshots import graph_at
from metaxy.models.keys import FeatureKey

TODO = "TODO"
"""How a reason begins that somebody still has to write."""


class BaseOperation(BaseModel):
    """What is done to one feature; frozen.

    Subclasses add fields and validators, and say in `execute` what is done.

    Attributes:
        type: Where the class is, as `package.module.Class`; filled in if left out. A class may
            declare another name with `type: Literal["…"]`.
        id: Its name within the migration; made of the feature's key if left out.
        feature_key: The feature that it is about; text, parts or a feature class will do.
        reason: Why the operation is right: what somebody who reviews it has to know.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    type: str = ""
    id: str = ""
    feature_key: FeatureKey
    reason: str = ""

    @classmethod
    def type_name(cls) -> str:
        """What `type` says of this class: the name that it declares, else its path."""
        field = cls.model_fields["type"]
        if get_origin(field.annotation) is Literal:
            return str(get_args(field.annotation)[0])
        return f"{cls.__module__}.{cls.__qualname__}"

    @abstractmethod
    def execute(
        self,
        store: MetadataStore,
        *,
        from_snapshot_version: str,
        to_snapshot_version: str,
        dry_run: bool = False,
    ) -> int:
        """Do it, and give the number of rows written.

        It may be called again after it was interrupted, so what is done must not be done twice.

        Args:
            store: Open for writing; for reading in a dry run.
            from_snapshot_version: Of the definitions that the records were made by.
            to_snapshot_version: Of those that they shall count in; the same in a
                `FullGraphMigration`.
            dry_run: Write nothing, and give the number of rows that would be.
        """

    @model_validator(mode="before")
    @classmethod
    def _filled_in(cls, data: object) -> object:
        if not isinstance(data, Mapping):
            return data
        given = dict(cast("Mapping[str, object]", data))
        if not given.get("type"):
            given["type"] = cls.type_name()
        if not given.get("id"):
            given["id"] = cls.default_id(given.get("feature_key"))
        return given

    @classmethod
    def default_id(cls, feature: object) -> str:
        """The id of an operation on this feature that says none."""
        name = _snake_case(cls.__name__)
        try:
            key = FeatureKey(feature) if feature else None
        except ValueError:
            return name  # that the key is wrong is told by its own field
        return name if key is None else f"{name}_{id_part(key)}"

    @field_validator("type")
    @classmethod
    def _is_own_type(cls, value: str) -> str:
        if value != cls.type_name():
            raise ValueError(f"the class {cls.__name__} has the type {cls.type_name()!r}")
        return value

    def to_data(self) -> dict[str, object]:
        """Give it as JSON data, without what is left at its default."""
        data = cast("dict[str, object]", self.model_dump(mode="json", exclude_defaults=True))
        first = {"id": self.id, "type": self.type}
        first |= {"feature_key": data["feature_key"]} if "feature_key" in data else {}
        own = {name: value for name, value in data.items() if name not in {*first, "reason"}}
        return first | own | ({"reason": self.reason} if self.reason else {})


class MetadataBackfill(BaseOperation):
    """Records of one feature that come from somewhere else: the base of your own operations.

    `execute` reads them wherever they are, and writes them with `store.write_metadata`.
    """


class DataVersionReconciliation(BaseOperation):
    """Carry records over to the new definition of their feature: nothing is computed again.

    Records that were up to date are up to date, others stay as they were. What can't be shown to
    have no effect on results is refused; docs/adr/0006-migrations.md tells all.

    Attributes:
        feature_key: None stands for every affected feature that has no operation of its own.
        assume_same_result: Carry the records although the code version, the id columns or the
            lineage are others: you know that the results are the same.
    """

    # An operation that `Migration.operations` gives has one, as the base says.
    feature_key: FeatureKey | None = None  # pyright: ignore[reportIncompatibleVariableOverride]
    assume_same_result: bool = False

    @classmethod
    def default_id(cls, feature: object) -> str:
        """The id of an operation on this feature that says none."""
        own = super().default_id(feature)
        return own.replace("data_version_reconciliation", "reconcile", 1)

    def execute(
        self,
        store: MetadataStore,
        *,
        from_snapshot_version: str,
        to_snapshot_version: str,
        dry_run: bool = False,
    ) -> int:
        """Carry the records of the feature, or of all affected ones; gives the rows appended.

        For use by itself: nothing but what this call carries counts as carried. A migration's
        operations are done by `MigrationExecutor`, which also keeps the state.

        Raises:
            MigrationRefusedError: It can't be shown that nothing stale would count as up to date.
        """
        old, new = graph_at(store, from_snapshot_version), graph_at(store, to_snapshot_version)
        features = affected_features(old, new) if self.feature_key is None else (self.feature_key,)
        asked = [
            Carrying(
                feature=feature,
                old=old,
                new=new,
                run=run_of(f"{from_snapshot_version[:12]}-{to_snapshot_version[:12]}"),
                carried=frozenset(features),
                assume_same_result=self.assume_same_result,
            )
            for feature in features
        ]
        if refused := [reason for each in asked for reason in each.refusals]:
            raise MigrationRefusedError(f"{self.id!r} can't be done", refused)
        if dry_run:
            return sum(plan_carrying(store, each).to_append for each in asked)
        return sum(carry(store, each).rows for each in asked)


class FeatureVersionMigration(BaseOperation):
    """Of the older format: a feature from one feature version to another, with all downstream.

    It stands for `DataVersionReconciliation` of the feature and of every affected feature
    downstream of it, and is done as these; see `Migration.operations`.

    Attributes:
        from_feature_version: In files `from`; the beginning of the version will do.
        to_feature_version: In files `to`.
        change_type: Whatever it says, it is not used.
    """

    type: Literal["feature_version_migration"] = (  # pyright: ignore[reportIncompatibleVariableOverride] -- frozen
        "feature_version_migration"
    )
    from_feature_version: str
    to_feature_version: str
    change_type: str = "unknown"
    assume_same_result: bool = False

    def execute(
        self,
        store: MetadataStore,
        *,
        from_snapshot_version: str,
        to_snapshot_version: str,
        dry_run: bool = False,
    ) -> int:
        """Carry the feature's records, without those downstream; gives the rows appended."""
        return self.as_reconciliation().execute(
            store,
            from_snapshot_version=from_snapshot_version,
            to_snapshot_version=to_snapshot_version,
            dry_run=dry_run,
        )

    def as_reconciliation(self) -> DataVersionReconciliation:
        """What it stands for at its own feature."""
        return DataVersionReconciliation(
            id=self.id,
            feature_key=self.feature_key,
            reason=self.reason,
            assume_same_result=self.assume_same_result,
        )


class CustomFunction(BaseOperation):
    """Of the older format, `custom_migration`: a function is called that migrates a feature.

    Affected features downstream are reconciled afterwards.

    Attributes:
        from_feature_version: In files `from`; None if it doesn't matter.
        to_feature_version: In files `to`.
        python_function: As `package.module.function`; called with the store and this operation. If
            it gives a number, that is how many rows it wrote.
    """

    type: Literal["custom_migration"] = (  # pyright: ignore[reportIncompatibleVariableOverride] -- frozen
        "custom_migration"
    )
    from_feature_version: str | None = None
    to_feature_version: str | None = None
    change_type: str = "unknown"
    python_function: str

    def execute(
        self,
        store: MetadataStore,
        *,
        from_snapshot_version: str,
        to_snapshot_version: str,
        dry_run: bool = False,
    ) -> int:
        """Call the function; in a dry run only look whether it is there, and give 0.

        Raises:
            MigrationError: There is no such function.
        """
        del from_snapshot_version, to_snapshot_version
        function = imported(self.python_function)
        if not callable(function):
            raise MigrationError(f"{self.python_function!r} is no function, but {function!r}")
        rows = None if dry_run else function(store, self)
        return rows if isinstance(rows, int) and not isinstance(rows, bool) else 0


def feature_of(operation: BaseOperation) -> FeatureKey:
    """The feature that an operation is about.

    Raises:
        MigrationError: It is about all that are affected.
    """
    if is_for_all(operation):
        raise MigrationError(
            f"The operation {operation.id!r} is about all affected features, not about one; "
            "`Migration.operations` gives one for each."
        )
    return operation.feature_key


def is_for_all(operation: BaseOperation) -> bool:
    """Whether it is about all affected features, not about one that it names."""
    return isinstance(operation, DataVersionReconciliation) and operation.feature_key is None


def operation_class(type_name: str) -> type[BaseOperation]:
    """The class that a file means by `type`: its path, the name it declares, or one of ours.

    Raises:
        MigrationError: There is no such class, or it is no operation.
    """
    ours = {each.__name__: each for each in (DataVersionReconciliation,)}
    known = {each.type_name(): each for each in _subclasses(BaseOperation)} | ours
    if type_name in ours:
        return ours[type_name]
    try:
        found = imported(type_name, known=known)
    except MigrationError:
        if type_name in known:
            return known[type_name]
        raise
    if isinstance(found, type) and issubclass(found, BaseOperation):
        return found
    raise MigrationError(f"{type_name!r} is no subclass of metaxy.migrations.ops.BaseOperation")


def imported(path: str, *, known: Iterable[str] = ()) -> object:
    """What is at `package.module.name`.

    Raises:
        MigrationError: There is no such module, it can't be imported, or it has no such name.
    """
    module_name, _, name = path.rpartition(".")
    if not module_name:
        raise MigrationError(
            f"{path!r} is no path; give one such as 'package.module.{path}'."
            f"{did_you_mean(path, known)}"
        )
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise MigrationError(
            f"{path!r} can't be imported: {type(error).__name__}: {error}."
            f"{did_you_mean(path, known)}"
        ) from error
    if not hasattr(module, name):
        public = [each for each in vars(module) if not each.startswith("_")]
        raise MigrationError(
            f"The module {module_name!r} has no {name!r}.{did_you_mean(name, public)}"
        )
    return cast("object", getattr(module, name))


def id_part(key: FeatureKey) -> str:
    """A feature's key as a part of an operation's id."""
    return "_".join(key.parts).replace("-", "_")


def _subclasses(cls: type[BaseOperation]) -> Iterator[type[BaseOperation]]:
    for each in cls.__subclasses__():
        yield each
        yield from _subclasses(each)


def _snake_case(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


def as_operation(value: object) -> BaseOperation:
    """An operation from itself or from what a file says of it.

    Raises:
        MigrationError: There is no such type of operation, or the value is nothing of that kind.
        ValidationError: What it says is not what the operation takes.
    """
    if isinstance(value, BaseOperation):
        return value
    if not isinstance(value, Mapping):
        raise MigrationError(f"An operation is a mapping with a 'type', not {value!r}")
    data = cast("Mapping[str, Any]", value)
    type_name = data.get("type")
    if not isinstance(type_name, str):
        raise MigrationError(
            "An operation needs a 'type', the path of its class, such as "
            f"{DataVersionReconciliation.type_name()!r}"
        )
    cls = operation_class(type_name)
    return cls.model_validate(dict(data) | {"type": cls.type_name()})
