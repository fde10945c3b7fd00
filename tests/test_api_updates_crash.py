"""Killed at random moments, with every write failing in turn: what was acknowledged is there, half batches are not.

``python -m benchmarks.updates crash`` kills 300 times.
"""

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from updates_cases import DIM, payload_of, seed_index, vector_of
from updates_crash import kill_often, state_of

from hierindex import HierIndex
from hierindex.errors import ConflictError, StorageError


def test_killed_ten_times(tmp_path):
    report = kill_often(tmp_path / "v.index", kills=10)
    assert report.acknowledged > 10
