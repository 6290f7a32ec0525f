"""How thoroughly laws are tried: `--hypothesis-profile thorough` takes its time."""

from hypothesis import HealthCheck, settings

# The same examples in every run, so that a red run is about the change; no deadline, since how
# long an example takes says more about the machine than about the code.
settings.register_profile("ordinary", deadline=None, derandomize=True, print_blob=True)
settings.register_profile(
    "thorough",
    deadline=None,
    max_examples=2000,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("ordinary")
