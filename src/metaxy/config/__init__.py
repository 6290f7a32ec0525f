"""Settings: where they come from, what they may be, and who set them.

This layer reads files and the environment and gives a frozen `MetaxyConfig`. It builds no store and
imports no feature module: `metaxy.project` does both, with what it finds here.
"""

from metaxy.config.settings import ConfigValue, MetaxyConfig, NamedStore

__all__ = ["ConfigValue", "MetaxyConfig", "NamedStore"]
