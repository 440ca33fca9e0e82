"""The Merkle tree is that of RFC 6962: roots, audit paths, and nothing else is accepted for them."""

from __future__ import annotations

from hashlib import sha256
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance.audit import merkle

# Test vectors of the Certificate Transparency log, whose tree RFC 6962 describes.
DATA = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
LEAVES = [merkle.leaf_hash(bytes.fromhex(data)) for data in DATA]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
PATHS = [
    (0, 1, []),
    (
        0,
        8,
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        5,
        8,
        [
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (2, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
]

trees = st.lists(st.binary(max_size=8).map(merkle.leaf_hash), min_size=1, max_size=130)


def naive_root(leaves: list[bytes]) -> bytes:
    """Word for word the definition of section 2.1."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = _split(len(leaves))
    return sha256(b"\x01" + naive_root(leaves[:split]) + naive_root(leaves[split:])).digest()


def naive_path(leaves: list[bytes], index: int) -> list[bytes]:
    """Word for word the definition of section 2.1.1."""
    if len(leaves) == 1:
        return []
    split = _split(len(leaves))
    if index < split:
        return [*naive_path(leaves[:split], index), naive_root(leaves[split:])]
    return [*naive_path(leaves[split:], index - split), naive_root(leaves[:split])]


def _split(size: int) -> int:
    split = 1
    while split * 2 < size:
        split *= 2
    return split


@pytest.mark.parametrize("size", range(9))
def test_published_roots(size: int) -> None:
    assert merkle.root(LEAVES[:size]).hex() == ROOTS[size]
    assert merkle.Tree(LEAVES[:size]).root.hex() == ROOTS[size]


@pytest.mark.parametrize(("index", "size", "path"), PATHS)
def test_published_paths(verifier: ModuleType, index: int, size: int, path: list[str]) -> None:
    assert [step.hex() for step in merkle.Tree(LEAVES[:size]).path(index)] == path
    assert verifier.root_over(LEAVES[index], index, size, path) == ROOTS[size]


@given(trees)
def test_root_and_paths_are_those_of_the_definition(leaves: list[bytes]) -> None:
    root, tree = naive_root(leaves), merkle.Tree(leaves)
    assert merkle.root(leaves) == tree.root == root
    for index in range(len(leaves)):
        assert tree.path(index) == naive_path(leaves, index)


@given(trees, st.data())
def test_every_leaf_is_proved_and_nothing_else_is(
    verifier: ModuleType, leaves: list[bytes], data: st.DataObject
) -> None:
    """By the function that goes to the outsider: there is no other that checks a path."""
    size, root = len(leaves), merkle.root(leaves).hex()
    index = data.draw(st.integers(0, size - 1))
    path = [step.hex() for step in merkle.Tree(leaves).path(index)]
    assert verifier.root_over(leaves[index], index, size, path) == root
    assert verifier.root_over(merkle.leaf_hash(b"another"), index, size, path) != root
    for wrong in (path[:-1], [*path, root]):
        if len(wrong) != len(path):
            assert verifier.root_over(leaves[index], index, size, wrong) is None
    other = data.draw(st.integers(0, size - 1))
    if leaves[other] != leaves[index]:
        assert verifier.root_over(leaves[index], other, size, path) != root


def test_leaf_and_node_are_hashed_apart() -> None:
    left, right = LEAVES[:2]
    assert merkle.root([left, right]) != merkle.leaf_hash(left + right)


@pytest.mark.parametrize("index", [-1, 3])
def test_no_path_for_a_leaf_that_is_not_there(index: int) -> None:
    with pytest.raises(IndexError):
        merkle.Tree(LEAVES[:3]).path(index)
