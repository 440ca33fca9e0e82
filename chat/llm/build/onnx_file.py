"""ONNX files, written and read without the onnx package: just what the graphs of the encoders hold.

The numbers of the fields are those of onnx.proto3 (Apache-2.0, https://github.com/onnx/onnx), the encoding is Protocol
Buffers'. The same graph gives the same bytes wherever it is written, whatever is installed there.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
MICROSOFT = "com.microsoft"
"""The domain of ONNX Runtime's own operators."""
VERSIONS = {"": 20, MICROSOFT: 1}
IR_VERSION = 10
_TYPES = {"float32": 1, "uint8": 2, "int8": 3, "int32": 6, "int64": 7, "bool": 9}
_FLOAT, _INT, _STRING, _INTS = 1, 2, 3, 7
_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5


class Graph:
    """A graph that grows node by node; names of values must be unique."""

    def __init__(self) -> None:
        self._nodes: list[bytes] = []
        self._constants: list[bytes] = []

    def constant(self, name: str, values: Array) -> str:
        """Numbers that belong to the graph. Gives back the name, to be an input of a node."""
        parts = [_number(1, size) for size in values.shape]
        parts += [_number(2, _TYPES[values.dtype.name]), _text(8, name)]
        parts.append(_bytes(9, np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<")).tobytes()))
        self._constants.append(b"".join(parts))
        return name

    def node(self, kind: str, inputs: Sequence[str], output: str, *, domain: str = "", **attributes: Any) -> str:
        """An operator with one output. Gives back the name of that."""
        parts = [_text(1, name) for name in inputs]
        parts += [_text(2, output), _text(3, output), _text(4, kind)]
        parts += [_bytes(5, _attribute(name, value)) for name, value in attributes.items()]
        if domain:
            parts.append(_text(7, domain))
        self._nodes.append(b"".join(parts))
        return output

    def serialized(self, *, inputs: Mapping[str, tuple[str, Sequence[str | int]]], output: str) -> bytes:
        """The file. `inputs` are name to (type, shape); a size that varies is named. The output is of float32."""
        graph = [_bytes(1, node) for node in self._nodes]
        graph.append(_text(2, "encoder"))
        graph += [_bytes(5, constant) for constant in self._constants]
        graph += [_bytes(11, _value(name, kind, shape)) for name, (kind, shape) in inputs.items()]
        graph.append(_bytes(12, _value(output, "float32", ("texts", "numbers"))))
        model = [_number(1, IR_VERSION), _text(2, "ClinChat"), _bytes(7, b"".join(graph))]
        model += [_bytes(8, _text(1, domain) + _number(2, version)) for domain, version in VERSIONS.items()]
        return b"".join(model)


def constants(content: bytes) -> dict[str, Array]:
    """The constants of a file's graph by name."""
    types = {number: name for name, number in _TYPES.items()}
    found = {}
    for graph in (value for field, value in _fields(content) if field == 7):
        for tensor in (value for field, value in _fields(graph) if field == 5):
            shape: list[int] = []
            kind, name, data = 0, "", b""
            for field, value in _fields(tensor):
                match field:
                    case 1:
                        shape += _packed(value) if isinstance(value, bytes) else [value]
                    case 2:
                        kind = value
                    case 8:
                        name = value.decode()
                    case 9:
                        data = value
            found[name] = np.frombuffer(data, np.dtype(types[kind]).newbyteorder("<")).reshape(shape)
    return found


def _fields(content: bytes) -> Iterator[tuple[int, Any]]:
    at = 0
    while at < len(content):
        key, at = _varint_at(content, at)
        match key & 7:
            case 0:
                value, at = _varint_at(content, at)
                yield key >> 3, value
            case 2:
                size, at = _varint_at(content, at)
                yield key >> 3, content[at : at + size]
                at += size
            case kind:
                size = {_EIGHT: 8, _FOUR: 4}[kind]
                yield key >> 3, content[at : at + size]
                at += size


def _varint_at(content: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def _packed(content: bytes) -> list[int]:
    found, at = [], 0
    while at < len(content):
        value, at = _varint_at(content, at)
        found.append(value)
    return found


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1  # negative numbers are written as 64 bits
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3 | _VARINT) + _varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | _BYTES) + _varint(len(value)) + value


def _text(field: int, value: str) -> bytes:
    return _bytes(field, value.encode())


def _attribute(name: str, value: float | str | Sequence[int]) -> bytes:
    if isinstance(value, float):
        return _text(1, name) + _varint(2 << 3 | _FOUR) + struct.pack("<f", value) + _number(20, _FLOAT)
    if isinstance(value, int):
        return _text(1, name) + _number(3, value) + _number(20, _INT)
    if isinstance(value, str):
        return _text(1, name) + _text(4, value) + _number(20, _STRING)
    return _text(1, name) + b"".join(_number(8, one) for one in value) + _number(20, _INTS)


def _value(name: str, kind: str, shape: Sequence[str | int]) -> bytes:
    sizes = b"".join(_bytes(1, _text(2, one) if isinstance(one, str) else _number(1, one)) for one in shape)
    return _text(1, name) + _bytes(2, _bytes(1, _number(1, _TYPES[kind]) + _bytes(2, sizes)))
