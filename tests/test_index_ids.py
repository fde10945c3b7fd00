"""Ids and columns: what a table sees never changes, whatever is done to those made from it."""

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hierindex.errors import DuplicateIdError, InputError, UnknownIdError
from hierindex.index import ids as ids_module
from hierindex.index.ids import IdTable
from hierindex.index.rows import Column


def as_ids(values, strings):
    if not strings:
        return np.array(values, np.int64)
    array = np.empty(len(values), object)
    array[:] = [f"p{value}" for value in values]
    return array


class IdsAgainstADict(RuleBasedStateMachine):
    """Adding and removing beside a dict; now and then from an older table."""

    @initialize(strings=st.booleans(), first=st.sets(st.integers(0, 30), max_size=12))
    def start(self, strings, first):
        self.strings = strings
        values = as_ids(sorted(first), strings)
        self.states = [(IdTable.of(values), {value: row for row, value in enumerate(values.tolist())})]

    @rule(new=st.sets(st.integers(0, 30), min_size=1, max_size=6), back=st.integers(0, 3))
    def append(self, new, back):
        table, model = self.states[-1 - min(back, len(self.states) - 1)]
        values = as_ids(sorted(new), self.strings)
        if set(values.tolist()) & set(model):
            with pytest.raises(DuplicateIdError, match="should be new"):
                table.append(values)
            return
        rows = range(len(table), len(table) + len(values))
        self.states.append((table.append(values), model | dict(zip(values.tolist(), rows, strict=True))))

    @precondition(lambda self: self.states[-1][1])
    @rule(data=st.data())
    def remove(self, data):
        table, model = self.states[-1]
        gone = data.draw(st.lists(st.sampled_from(sorted(model)), min_size=1, max_size=5, unique=True))
        rows = table.rows_of(gone)
        self.states.append((table.remove(rows), {k: v for k, v in model.items() if k not in gone}))

    @invariant()
    def every_state_is_as_it_was(self):
        for table, model in self.states:
            assert table.live_rows.tolist() == sorted(model.values())
            assert table.n_live == len(model)
            if model:
                assert table.rows_of(list(model)).tolist() == list(model.values())
                assert table.values[list(model.values())].tolist() == list(model)
            with pytest.raises(UnknownIdError, match="should be in the index"):
                table.rows_of(as_ids([77], self.strings))


class Folding(IdsAgainstADict):
    """The same with a base that takes in the late ids all the time."""

    @initialize(strings=st.booleans(), first=st.sets(st.integers(0, 30), max_size=12))
    def start(self, strings, first):
        ids_module._FOLD_AT = 2
        super().start(strings, first)

    def teardown(self):
        ids_module._FOLD_AT = 1_024


few = settings(max_examples=30, stateful_step_count=12, deadline=None)
TestIdsAgainstADict = IdsAgainstADict.TestCase
TestIdsAgainstADict.settings = few
TestFolding = Folding.TestCase
TestFolding.settings = few


def test_kinds_do_not_mix():
    with pytest.raises(InputError, match="should be integers"):
        IdTable.of(as_ids([1], False)).append(as_ids([2], True))
    with pytest.raises(InputError, match="should be strings"):
        IdTable.of(as_ids([1], True)).append(as_ids([2], False))
    with pytest.raises(UnknownIdError, match="1 are not, such as"):
        IdTable.of(as_ids([1], False)).rows_of(["p1"])


def test_an_older_column_does_not_write_over_a_newer_one():
    old = Column.of(np.arange(4))
    grown = old.append(np.array([4]))  # into a new buffer with room
    first, second = grown.append(np.array([5])), grown.append(np.array([50, 51]))
    third = first.append(np.array([6]))
    assert grown.values.tolist() == [0, 1, 2, 3, 4]
    assert first.values.tolist() == [0, 1, 2, 3, 4, 5]
    assert second.values.tolist() == [0, 1, 2, 3, 4, 50, 51]
    assert third.values.tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert np.shares_memory(first.values, third.values)


def test_a_column_does_not_follow_what_it_was_made_of():
    source = np.arange(3)
    column = Column.of(source)
    source[0] = 9
    assert column.values.tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="read-only"):
        column.values[0] = 1
