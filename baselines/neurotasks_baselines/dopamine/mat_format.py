"""MATLAB files of version 5 to 7, read so that no damage can do more than be refused.

Used instead of ``scipy.io.loadmat``, whose compiled code ends the whole process on some damaged
files. The format: MathWorks, "MAT-File Format", level 5. A file is a header and elements; an
element is a type, a size and that many bytes; a variable is an element made of elements, which may
be compressed.
"""

from __future__ import annotations

import math
import stat
import struct
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

LARGEST = 2**28
"""Most bytes of a file and of what it holds compressed, together (ours): 30 million spikes."""

MOST = {"dimensions": 64, "characters": 256, "fields": 1024}
"""Most of what a variable declares (ours; MATLAB has names of 63 characters)."""

HEADER = 128  # bytes
COMPRESSED, MATRIX = 15, 14
NUMBERS = dict(zip([1, 2, 3, 4, 5, 6, 7, 9, 12, 13], "bBhHiIfdqQ", strict=True))  # of elements
NUMERIC = ("double", "single", *(f"{u}int{n}" for n in (8, 16, 32, 64) for u in ("", "u")))
CLASSES = dict(enumerate(["cell", "struct", "object", "char", "sparse", *NUMERIC], start=1)) | {
    16: "function",
    17: "opaque",
}
COMPLEX = 0x800


class Element(NamedTuple):
    """A part of a file: its type and its bytes."""

    kind: int
    data: memoryview


class Variable(NamedTuple):
    """A variable, or a field of a struct.

    Attributes:
        name: Name of the variable, empty for a field.
        kind: Class: "double", "struct" and so on, or "complex double" and so on.
        shape: Shape without dimensions of size 1; ``(0,)`` if there is a dimension of size 0.
        body: The elements of its values.
        order: Order of the bytes, "<" or ">".
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    body: memoryview
    order: str

    def fields(self) -> dict[str, Variable]:
        """Return the fields of one struct.

        Raises:
            ValueError: If they break the format.
        """
        element, rest = _split(self.body, self.order)
        (width,) = _integers(element, self.order, 1)
        element, rest = _split(rest, self.order)
        text = bytes(element.data)
        if width < 1 or len(text) % width or len(text) // width > MOST["fields"]:
            raise ValueError(f"names of {width} characters in {len(text)} bytes")
        fields: dict[str, Variable] = {}
        for at in range(0, len(text), width):
            name = _text(text[at : at + width])
            if name in fields:
                raise ValueError(f"the field {name!r} twice")
            element, rest = _split(rest, self.order)
            fields[name] = _variable(element, self.order)
        if len(rest):
            raise ValueError(f"more than the {len(fields)} fields that have names")
        return fields

    def vector(self) -> NDArray[np.float64]:
        """Return the numbers of a numeric scalar, vector or empty array.

        Raises:
            ValueError: If they break the format.
        """
        numbers, rest = np.empty(0), self.body
        if len(rest):
            element, rest = _split(rest, self.order)
            numbers = _numbers(element, self.order)
            _check_size(LARGEST - 8 * len(numbers))  # once they are doubles
        if len(rest) or len(numbers) != math.prod(self.shape):
            raise ValueError(f"{len(numbers)} numbers in an array of shape {self.shape}")
        return numbers.astype(np.float64)


def read_variables(path: Path) -> dict[str, Variable]:
    """Read the variables of a file.

    Args:
        path: Path of the file.

    Returns:
        The variables by name.

    Raises:
        ValueError: If the file breaks the format.
        NotImplementedError: If it is of version 7.3, which is HDF5.
        OSError: If it cannot be read.
    """
    if not stat.S_ISREG(path.stat().st_mode):  # reading a pipe would wait
        raise ValueError("a folder, pipe or device")
    with path.open("rb") as file:
        content = file.read(LARGEST + 1)
    left = LARGEST - len(content)
    _check_size(left)
    mark = content[124:HEADER]
    if content[:4] == b"\x89HDF" or mark in (b"\x00\x02IM", b"\x02\x00MI"):
        raise NotImplementedError
    if mark not in (b"\x00\x01IM", b"\x01\x00MI"):
        raise ValueError("no header of a MATLAB file of version 5 to 7")
    order = "<" if mark.endswith(b"IM") else ">"
    rest = memoryview(content)[HEADER:]
    variables: dict[str, Variable] = {}
    while len(rest):
        element, rest = _split(rest, order)
        if element.kind == COMPRESSED:
            plain = _decompress(element.data, left)
            left -= len(plain)
            element, more = _split(plain, order)
            if len(more):
                raise ValueError("bytes after a compressed variable")
        variable = _variable(element, order)
        if variable.name in variables:
            raise ValueError(f"the variable {variable.name!r} twice")
        variables[variable.name] = variable
    return variables


def _check_size(left: int) -> None:
    if left < 0:
        raise ValueError(
            f"more than {LARGEST >> 20} MiB, where a neuron needs its events and spikes alone"
        )


def _decompress(data: memoryview, most: int) -> memoryview:
    """Return the bytes that are compressed in others."""
    stream = zlib.decompressobj()
    try:
        plain = stream.decompress(data, most + 1)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    _check_size(most - len(plain))
    if not stream.eof:
        raise ValueError("a compressed variable that is cut off")
    return memoryview(plain)


def _split(data: memoryview, order: str) -> tuple[Element, memoryview]:
    """Return the first element, and the bytes after it."""
    if len(data) < 8:
        raise ValueError(f"{len(data)} bytes where a part is due")
    kind, size = struct.unpack_from(order + "II", data)
    start, room = 8, len(data) - 8
    if kind >> 16:  # up to four bytes, within the eight
        kind, size = kind & 0xFFFF, kind >> 16
        start, room = 4, 4
    if size > room:
        raise ValueError(f"a part of {size} bytes in {room}")
    end = start + size
    following = end if kind == COMPRESSED else end + -end % 8
    return Element(kind, data[start:end]), data[following:]


def _variable(element: Element, order: str) -> Variable:
    """Return the variable that an element is."""
    if element.kind != MATRIX:
        raise ValueError(f"a part of type {element.kind} where a variable is due")
    if not len(element.data):
        return Variable("", "double", (0,), element.data, order)
    flags, rest = _split(element.data, order)
    bits, _ = _integers(flags, order, 2)
    kind = CLASSES.get(bits & 0xFF, "unknown")
    shape: tuple[int, ...] = ()
    if kind != "opaque":  # which has no shape
        sizes, rest = _split(rest, order)
        shape = _shape(_integers(sizes, order))
    name, rest = _split(rest, order)
    if bits & COMPLEX:
        kind = f"complex {kind}"
    return Variable(_text(bytes(name.data)), kind, shape, rest, order)


def _shape(sizes: list[int]) -> tuple[int, ...]:
    if len(sizes) < 2 or min(sizes) < 0:
        raise ValueError(f"an array of shape {tuple(sizes)}")
    return tuple(size for size in sizes if size != 1) if all(sizes) else (0,)


def _numbers(element: Element, order: str) -> NDArray[Any]:
    """Return the numbers of an element."""
    if element.kind not in NUMBERS:
        raise ValueError(f"a part of type {element.kind} where numbers are due")
    dtype = np.dtype(order + NUMBERS[element.kind])
    if len(element.data) % dtype.itemsize:
        raise ValueError(f"{len(element.data)} bytes of numbers of {dtype.itemsize} bytes")
    return np.frombuffer(element.data, dtype)


def _integers(element: Element, order: str, count: int | None = None) -> list[int]:
    """Return some whole numbers."""
    numbers = _numbers(element, order)
    if numbers.dtype.kind == "f" or len(numbers) > MOST["dimensions"]:
        raise ValueError(f"{len(numbers)} numbers of type {numbers.dtype} where sizes are due")
    if count is not None and len(numbers) != count:
        raise ValueError(f"{len(numbers)} numbers where {count} are due")
    return [int(number) for number in numbers]


def _text(data: bytes) -> str:
    if len(data) > MOST["characters"]:
        raise ValueError(f"a name of {len(data)} characters")
    return data.partition(b"\0")[0].decode("ascii", "backslashreplace")
