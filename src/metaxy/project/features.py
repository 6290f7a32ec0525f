"""The features of a project, and what to say where there are none."""

from metaxy.errors import ConfigError, did_you_mean, listed
from metaxy.graph.graph import FeatureGraph
from metaxy.project.discovery import ENTRY_POINT_GROUP
from metaxy.project.setup import Project


def known_features(project: Project) -> FeatureGraph:
    """Give the graph of a project that is to have features.

    Raises:
        ConfigError: It has none; says how features are found.
    """
    graph = project.graph
    if not len(graph):
        raise ConfigError(why_no_features(project), setting="entrypoints")
    return graph


def why_no_features(project: Project) -> str:
    """Say how features are found, for a project that has none."""
    if project.modules:
        return (
            f"No features were found: {listed(project.modules)} can be imported, but no subclass "
            "of metaxy.BaseFeature with a spec is declared there."
        )
    return (
        "No features were found, since nothing says where they are. Name the modules that define "
        'them, in metaxy.toml: entrypoints = ["my_package.features"], or in METAXY_ENTRYPOINTS, or '
        f"by an entry point of the group '{ENTRY_POINT_GROUP}'. `metaxy init` writes an example."
    )


def chosen_project(
    graph: FeatureGraph, *, given: str | None = None, configured: str | None = None
) -> str:
    """Give the project that is meant: the one given, else configured, else the only one.

    Raises:
        ConfigError: It has no features, or several projects have, and none is named.
    """
    projects = graph.projects
    wanted = configured if given is None else given
    if wanted is None:
        if len(projects) == 1:
            return projects[0]
        raise ConfigError(
            f"There are features of several projects: {listed(projects)}. Say which is meant: "
            'by --project, or as project = "…" in metaxy.toml.',
            setting="project",
        )
    if wanted not in projects:
        raise ConfigError(
            f"The project '{wanted}' has no features; there are those of {listed(projects)}."
            f"{did_you_mean(wanted, projects)}",
            setting="project",
        )
    return wanted
