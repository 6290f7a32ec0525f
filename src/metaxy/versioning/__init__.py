"""Record versions: pure functions from LazyFrames to LazyFrames.

Nothing here knows a disk, a clock or a configuration: stored rows, hash settings and plans come in
as arguments, and the frames that come out have not been read yet. Where rows come from and where
they go is `metaxy.metadata_store`'s business.
"""
