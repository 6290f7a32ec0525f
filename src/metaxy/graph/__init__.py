"""The immutable graph of features: checks, versions, plans, snapshots, diffs, renderings.

Everything here is pure: definitions in, values and text out.
"""
