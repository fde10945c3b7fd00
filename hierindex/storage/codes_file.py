"""Codes of rows beside the index: ``codes/000001.parquet``, a cache. It is of no version, and it may be missing."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from hierindex.errors import StorageError
from hierindex.storage.files import Place, listed, new_file, next_generation, opened, reading, remove
from hierindex.vectors import Int64

__all__ = ["CodesFile", "read_codes", "write_codes"]


@dataclass(frozen=True, eq=False)
class CodesFile:
    """What a coder made of rows.

    Attributes:
        coder: a digest of the coder; the codes of another one mean nothing to it.
        seq: ``(n,)`` int64, rising: whose codes these are.
        check: ``(n,)`` uint64, a checksum of each row.
        codes: ``(n, bytes)`` uint8.
    """

    coder: str
    seq: Int64
    check: NDArray[np.uint64]
    codes: NDArray[np.uint8]


def write_codes(folder: Place, codes: CodesFile) -> None:
    """Write a new generation and take the older ones away; a failure is none of the change that it follows."""
    width = codes.codes.shape[1]
    packed = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(width), len(codes.codes), [None, pa.py_buffer(np.ascontiguousarray(codes.codes))]
    )
    table = pa.table({"seq": codes.seq, "check": codes.check, "code": packed})

    def write(number: int) -> None:
        with (
            new_file(folder / f"{number:06d}.parquet") as file,
            pq.ParquetWriter(
                file, table.schema, compression="none", use_dictionary=False, write_page_checksum=True
            ) as writer,
        ):
            writer.write_table(table)
            writer.add_key_value_metadata({"hierindex.coder": codes.coder})

    with suppress(OSError):
        number = next_generation(folder, write)
        for file in listed(folder):
            if file.name[:6].isdigit() and int(file.name[:6]) < number:
                remove(folder / file.name)


def read_codes(folder: Place, coder: str) -> CodesFile | None:
    """The codes that a coder made, where the newest file has them and is whole; None otherwise."""
    with suppress(StorageError):
        names = [file.name for file in listed(folder) if file.name.endswith(".parquet")]
        if not names:
            return None
        path = folder / names[-1]
        with reading(path), pq.ParquetFile(opened(path), page_checksum_verification=True) as file:
            if (file.metadata.metadata or {}).get(b"hierindex.coder") != coder.encode():
                return None
            table = file.read().combine_chunks()
            code = table["code"].chunk(0) if table.num_rows else None
            if code is None or not pa.types.is_fixed_size_binary(code.type):
                return None
            width = code.type.byte_width
            data = np.frombuffer(code.buffers()[1], np.uint8, len(code) * width, offset=width * code.offset)
            seq, check = table["seq"].to_numpy(), table["check"].to_numpy()
            if seq.dtype == np.int64 and check.dtype == np.uint64 and (np.diff(seq) > 0).all():
                return CodesFile(coder, seq, check, data.reshape(len(code), width))
    return None
