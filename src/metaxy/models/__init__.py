"""The definitions that users write, as plain frozen values.

Nothing here knows a graph, a store or a data frame.
"""
