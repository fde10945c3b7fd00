"""A random writer's day: every change to an index beside a dict, every answer beside brute force.

`Machine` is run for some hundred steps by the tests and for thousands by ``python -m benchmarks.updates long``.
"""

from __future__ import annotations

import shutil
import tempfile
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from updates_cases import COLUMNS, DIM, payload_of, seed_index, vector_of

from hierindex import HierIndex
from hierindex.errors import ConflictError, DuplicateIdError, StorageError, UnknownIdError

__all__ = ["Machine"]

_SOME = st.lists(st.integers(0, 39), min_size=1, max_size=9, unique=True)


class Machine(RuleBasedStateMachine):
    """Two handles of one saved index, that one dict of states by version has to explain at every step."""

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="updates-"))
        self.path = self.folder / "v.index"
        self.states: dict[int, dict] = {}  # by version: id to vector and payload, in order
        self.newest = 0
        self.revision = 0
        self.tokens: dict[str, int] = {}
        self.handles: list[HierIndex] = []

    def teardown(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- what happens

    @initialize(flat=st.booleans())
    def begin(self, flat):
        first = seed_index(flat)
        first.save(self.path)
        self.states = {0: {i: (vector_of(i, 0), payload_of(i, 0)) for i in first.ids.tolist()}}
        self.handles = [first, HierIndex.open(self.path)]

    @rule(who=st.integers(0, 1), ids=_SOME, named=st.booleans())
    def add(self, who, ids, named):
        index, newest = self.handles[who], self.states[self.newest]
        token = f"t{self.revision}" if named else None
        new = self.points(ids)
        if set(ids) & {*newest, *self.states[index.version]}:
            before = index.version
            with pytest.raises(DuplicateIdError, match="ids should be new"):
                index.add(rows(new), ids=ids, payload=payloads(new), token=token)
            assert index.version in (before, self.newest)
            return
        assert index.add(rows(new), ids=ids, payload=payloads(new), token=token).tolist() == ids
        self.committed({**newest, **new}, index, token)

    @rule(who=st.integers(0, 1), n=st.integers(1, 4))
    def add_numbered(self, who, n):
        index, newest = self.handles[who], self.states[self.newest]
        new = self.points(range(n))
        given = index.add(rows(new), payload=payloads(new)).tolist()
        assert not set(given) & set(newest)
        assert given == list(range(given[0], given[0] + n))
        self.committed({**newest, **dict(zip(given, new.values(), strict=True))}, index)

    @rule(who=st.integers(0, 1), ids=_SOME)
    def upsert(self, who, ids):
        index, new = self.handles[who], self.points(ids)
        self.patiently(index, lambda: index.upsert(rows(new), ids, payload=payloads(new)))
        left = {i: point for i, point in self.states[self.newest].items() if i not in new}
        self.committed({**left, **new}, index)

    @rule(who=st.integers(0, 1), ids=_SOME, ignore=st.booleans())
    def delete(self, who, ids, ignore):
        index, newest = self.handles[who], self.states[self.newest]
        index.refresh()
        there = [i for i in ids if i in newest]
        if len(there) == len(newest):
            return  # what an empty index answers is tested elsewhere
        if there != ids and not ignore:
            with pytest.raises(UnknownIdError, match="ids should be in the index"):
                index.delete(ids)
            return
        assert index.delete(ids, missing="ignore" if ignore else "error") == len(there)
        if there:
            self.committed({i: point for i, point in newest.items() if i not in ids}, index)

    @rule(who=st.integers(0, 1), ids=_SOME)
    def update_payload(self, who, ids):
        index, newest = self.handles[who], self.states[self.newest]
        ids = [i for i in ids if i in newest]
        self.revision += 1
        notes = {i: None if i % 4 == 0 else f"edit {self.revision}" for i in ids}
        self.patiently(index, lambda: index.update_payload(ids, {"note": list(notes.values())}))
        if ids:
            changed = {i: (x, {**p, "note": notes[i]}) if i in notes else (x, p) for i, (x, p) in newest.items()}
            self.committed(changed, index)

    @rule(who=st.integers(0, 1))
    def compact(self, who):
        index = self.handles[who]
        self.patiently(index, index.compact)
        if index.version > self.newest:
            self.committed(self.states[self.newest], index)

    @rule(who=st.integers(0, 1), leaves=st.integers(1, 8))
    def maintain(self, who, leaves):
        index = self.handles[who]
        self.patiently(index, lambda: index.maintain(steps=1, leaves=leaves))
        if index.version > self.newest:
            self.committed(self.states[self.newest], index)

    @rule(who=st.integers(0, 1), retain=st.integers(1, 4) | st.just(timedelta(days=1)))
    def vacuum(self, who, retain):
        index = self.handles[who]
        before = HierIndex.open(self.path).history()[-1].version  # the other handle may have vacuumed this one's away
        freed = index.vacuum(retain)
        assert freed.oldest <= max(index.version, before)
        self.agrees(HierIndex.open(self.path, version=freed.oldest))
        if freed.oldest:
            with pytest.raises(StorageError, match=f"version should be in {freed.oldest}"):
                HierIndex.open(self.path, version=freed.oldest - 1)

    @rule(who=st.integers(0, 1))
    def refresh(self, who):
        index = self.handles[who]
        assert index.refresh() == (index.version != self.newest) or index.version == self.newest
        assert index.version == self.newest
        fresh = HierIndex.open(self.path)
        queries = np.random.default_rng(self.newest).normal(size=(3, DIM)).astype(np.float32)
        for how in ({"recall": 1.0}, {"nprobe": 2}):
            mine, its = (each.search(queries, k=5, **how) for each in (index, fresh))
            assert mine.ids.tolist() == its.ids.tolist()
            np.testing.assert_array_equal(mine.distances, its.distances)
            np.testing.assert_array_equal(mine.leaves, its.leaves)
        np.testing.assert_array_equal(index.labels(3), fresh.labels(3))

    @rule(who=st.integers(0, 1))
    def open(self, who):
        self.handles[who] = HierIndex.open(self.path)
        assert self.handles[who].version == self.newest

    @rule(who=st.integers(0, 1), pick=st.integers(0, 99))
    def open_an_older_version(self, who, pick):
        oldest = HierIndex.open(self.path).history()[-1].version
        self.agrees(HierIndex.open(self.path, version=oldest + pick % (self.newest + 1 - oldest)))

    @precondition(lambda self: self.tokens)
    @rule(who=st.integers(0, 1), pick=st.integers(0, 99))
    def repeat(self, who, pick):
        index, token = self.handles[who], sorted(self.tokens)[pick % len(self.tokens)]
        assert len(index.add(np.zeros((1, DIM)), ids=[10**6], payload=[payload_of(0, 0)], token=token)) == 0
        assert index.committed(token) == self.tokens[token]
        assert 10**6 not in index.ids

    # ---- what holds

    @invariant()
    def every_handle_agrees_with_its_version(self):
        for handle in self.handles:
            self.agrees(handle)

    def agrees(self, index):
        state = self.states[index.version]
        ids, stored = list(state), rows(state)
        assert index.ids.tolist() == ids
        assert len(index) == len(ids)
        assert index.payload().select(COLUMNS).to_pylist() == payloads(state)
        np.testing.assert_array_equal(index.vectors(), stored)
        queries = np.random.default_rng(index.version).normal(size=(3, DIM)).astype(np.float32)
        true = np.linalg.norm(queries[:, None].astype(np.float64) - stored[None].astype(np.float64), axis=2)
        at = {i: place for place, i in enumerate(ids)}
        k = min(7, len(ids))
        for how in ({"recall": 1.0}, {"nprobe": 1_000}):
            hits = index.search(queries, k=k, **how)
            np.testing.assert_allclose(hits.distances, np.sort(true, axis=1)[:, :k], rtol=1e-4, atol=1e-4)
            for query, found in enumerate(hits.ids.tolist()):
                assert len(set(found)) == k
                theirs = true[query, [at[i] for i in found]]
                np.testing.assert_allclose(theirs, hits.distances[query], rtol=1e-4, atol=1e-4)

    # ---- inside

    def points(self, ids):
        self.revision += 1
        return {i: (vector_of(i, self.revision), payload_of(i, self.revision)) for i in ids}

    def committed(self, state, index, token=None):
        self.newest += 1
        self.states[self.newest] = state
        assert index.version == self.newest
        if token is not None:
            self.tokens[token] = self.newest

    def patiently(self, index, change):
        """A change that may come second refuses, changes nothing, and goes through after a refresh."""
        if index.version == self.newest:
            change()
            return
        try:
            change()
        except (ConflictError, UnknownIdError):
            index.refresh()
            change()


def rows(state):
    """The vectors of some points."""
    return np.stack([vector for vector, _ in state.values()])


def payloads(state):
    """The payloads of some points."""
    return [payload for _, payload in state.values()]
