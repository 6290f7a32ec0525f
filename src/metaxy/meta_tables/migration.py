"""What a project names as the provider of its storage classes."""

from collections.abc import Sequence
from typing import Final

from metaxy.errors import DefinitionError
from metaxy.meta_tables.configuration import checked_storage_class
from metaxy.meta_tables.declaring import class_path
from metaxy.meta_tables.fingerprint import compute_metatable_contract_hash
from metaxy.meta_tables.persisting import chosen_store
from metaxy.meta_tables.storage import StorageClass
from metaxy.meta_tables.upgrade import UpgradePlan, apply_upgrade, plan_upgrade
from metaxy.metadata_store.base import MetadataStore
from metaxy.metadata_store.registering import Registration

HEAD: Final = "head"


class MetaTableMigration:
    """The storage classes whose tables a lake is to have; others are left alone.

    `metaxy migrations upgrade --provider package.module:object` is given one of these.

    Args:
        metatable_models: The classes, in any order.

    Raises:
        TypeError: One is no storage class.
        ValueError: Two share a table name or an identifier.
    """

    def __init__(self, metatable_models: Sequence[StorageClass]) -> None:
        self.metatable_models = tuple(
            checked_storage_class(each, what="One of metatable_models") for each in metatable_models
        )
        faults = [
            *_shared(self.metatable_models, "table name"),
            *_shared(self.metatable_models, "identifier"),
        ]
        if faults:
            raise DefinitionError("The storage classes don't fit beside each other", faults)

    def plan(self, store: MetadataStore | None = None) -> UpgradePlan:
        """Tell what an upgrade would do; nothing is written.

        Args:
            store: By default the store of the innermost open block, or else the default one.

        Raises:
            ValueError: The upgrade can't be made; has every reason.
        """
        chosen = chosen_store(store)
        with chosen.open("read"):
            return plan_upgrade(chosen, self._registrations())

    def upgrade(
        self,
        store: MetadataStore | None = None,
        *,
        revision: str = HEAD,
        dry_run: bool = False,
    ) -> UpgradePlan:
        """Bring a lake to what the classes say, and tell what was done.

        Args:
            store: By default the store of the innermost open block, or else the default one.
            revision: Only "head": classes say what a table is now, and nothing of earlier.
            dry_run: Only tell what would be done.

        Raises:
            ValueError: The upgrade can't be made; has every reason, and nothing was changed.
        """
        if revision != HEAD:
            raise DefinitionError(
                f"There is no revision {revision!r}: tables of storage classes are upgraded to "
                f"{HEAD!r}, which is what the classes say"
            )
        chosen = chosen_store(store)
        if dry_run:
            return self.plan(chosen)
        with chosen.open("write"):
            plan = plan_upgrade(chosen, self._registrations())
            apply_upgrade(chosen, plan)
        return plan

    def _registrations(self) -> list[Registration]:
        return [
            Registration(
                model.definition().contract,
                compute_metatable_contract_hash(model),
                class_path(model),
            )
            for model in self.metatable_models
        ]

    def __repr__(self) -> str:
        names = ", ".join(model.__name__ for model in self.metatable_models)
        return f"MetaTableMigration([{names}])"


def _shared(models: Sequence[StorageClass], what: str) -> list[str]:
    """What two classes have in common that only one can have."""
    first: dict[str, StorageClass] = {}
    faults: list[str] = []
    for model in models:
        contract = model.definition().contract
        name = contract.table_name if what == "table name" else str(contract.identifier)
        other = first.setdefault(name, model)
        if other is not model:
            faults.append(
                f"the {what} {name!r} is that of two classes: {class_path(other)} and "
                f"{class_path(model)}"
            )
    return faults
