"""Stores: where records are kept, and the only layer that knows Delta, paths and clocks.

`base` has what users see; `interface` what a kind of store implements; `delta` is the one kind that
comes along, on top of `tables`, which alone imports deltalake. The rest are the steps between a
user's call and a table, most of them functions of frames.
"""
