"""Ground-truth pickles: what is read, and what is refused before anything runs."""

from __future__ import annotations

import os
import pickle
import struct
from pathlib import Path
from typing import Any

import pytest

from dinosearch.errors import DatasetError
from dinosearch.evaluation import load
from dinosearch.evaluation.datasets.pickles import LARGEST, read_ground_truth, read_plain
from tests.evaluation import trees

KINDS = ("easy", "hard", "junk")


class Runs:
    """Makes a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch '{self.marker}'",)


def refused(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(DatasetError) as caught:
        read_plain(path)
    message = str(caught.value)
    assert len(message.splitlines()) == 1 and len(message) < len(str(path)) + 300
    assert str(path) in message
    return message


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_that_runs_a_command_is_refused_and_runs_nothing(protocol: int, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    content = pickle.dumps(trees.REVISITED | {"gnd": Runs(marker)}, protocol=protocol)
    assert "do not trust it" in refused(tmp_path / "gnd.pkl", content)
    assert not marker.exists()
    pickle.loads(content)  # the attack is a real one
    assert marker.exists()


@pytest.mark.parametrize("name", ["roxford5k", "rparis6k"])
def test_load_refuses_it_too(name: str, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    data = trees.revisited(tmp_path, name)
    (tmp_path / name / f"gnd_{name}.pkl").write_bytes(pickle.dumps(trees.REVISITED | {"more": Runs(marker)}))
    with pytest.raises(DatasetError, match="do not trust it"):
        load(name, data)
    assert not marker.exists()


def attack(kind: str, marker: Path) -> bytes:
    command = f"open({str(marker)!r}, 'w').close()"
    short = b"\x8c" + bytes([len(command)]) + command.encode()
    return {
        "GLOBAL": b"\x80\x02cbuiltins\nexec\n" + b"X" + struct.pack("<I", len(command)) + command.encode() + b"\x85R.",
        "STACK_GLOBAL": b"\x80\x04\x8c\x08builtins\x8c\x04exec\x93" + short + b"\x85R.",
        "INST": b"(S" + repr(command).encode() + b"\nibuiltins\nexec\n.",
        "OBJ": b"\x80\x02(cbuiltins\nexec\n" + b"X" + struct.pack("<I", len(command)) + command.encode() + b"o.",
    }[kind]


@pytest.mark.parametrize("kind", ["GLOBAL", "STACK_GLOBAL", "INST", "OBJ"])
def test_each_way_to_reach_a_builtin_is_refused(kind: str, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    message = refused(tmp_path / "gnd.pkl", attack(kind, marker))
    assert f"opcode {'GLOBAL' if kind == 'OBJ' else kind}" in message
    assert not marker.exists()
    if kind in ("GLOBAL", "STACK_GLOBAL"):  # exec is no class, which INST and OBJ want
        pickle.loads(attack(kind, marker))
        assert marker.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02]\x82\x01.",  # EXT1
        b"Pid\n.",  # PERSID
        b"\x80\x02U\x02idQ.",  # BINPERSID
        b"\x80\x05\x97.",  # NEXT_BUFFER
        b"\x80\x04\x8f.",  # EMPTY_SET
        b"\x80\x02}}b.",  # BUILD
    ],
)
def test_anything_beyond_plain_values_is_refused(content: bytes, tmp_path: Path) -> None:
    assert "do not trust it" in refused(tmp_path / "gnd.pkl", content)


def test_a_huge_memo_index_reserves_no_memory(tmp_path: Path) -> None:
    message = refused(tmp_path / "gnd.pkl", b"\x80\x02]r\xff\xff\xff\x7f.")
    assert "made to exhaust the memory" in message
    assert "made to exhaust the memory" in refused(tmp_path / "gnd.pkl", b"]p9999999999\n.")


def test_a_huge_length_reserves_no_memory(tmp_path: Path) -> None:
    assert "no complete pickle" in refused(tmp_path / "gnd.pkl", b"\x80\x04\x8d" + b"\xff" * 7 + b"\x0fab.")
    assert "no complete pickle" in refused(tmp_path / "gnd.pkl", b"\x80\x04\x95" + b"\xff" * 7 + b"\x0f].")


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02})" + b"\x85" * 1_000_000 + b"K\x01s.",  # a key a million tuples deep: hashing it overflows the stack
        b"\x80\x02})" + b"2\x86" * 100 + b"K\x01s.",  # 2 ** 100 tuples to hash
    ],
)
def test_nested_keys_do_not_end_or_hold_up_the_process(content: bytes, tmp_path: Path) -> None:
    assert "(opcode EMPTY_TUPLE)" in refused(tmp_path / "gnd.pkl", content)


def test_lists_that_share_their_parts_are_not_written_out(tmp_path: Path) -> None:
    bomb: list[Any] = []
    for _ in range(100):
        bomb = [bomb, bomb]
    path = tmp_path / "gnd.pkl"
    path.write_bytes(pickle.dumps(gnd(junk=[bomb])))
    with pytest.raises(DatasetError, match=r"gnd\[0\] names a list as junk in place of a number"):
        read_ground_truth(path, KINDS)


def test_a_terminal_sequence_in_a_class_name_is_not_passed_on(tmp_path: Path) -> None:
    message = refused(tmp_path / "gnd.pkl", b"cos\x1b]0;owned\x07\x0b\nsystem\x1b[2J\n" + b".")
    assert message.isprintable()
    refused(tmp_path / "gnd.pkl", b"cos\n" + b"a" * 100_000 + b"\n.")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_truncation_is_refused(protocol: int, tmp_path: Path) -> None:
    content = pickle.dumps(trees.REVISITED, protocol=protocol)
    for end in range(0, len(content), 7):
        refused(tmp_path / "gnd.pkl", content[:end])


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "gnd.pkl"
    with open(path, "wb") as file:
        file.truncate(LARGEST + 1)  # sparse
    with pytest.raises(DatasetError, match="larger than 67,108,864 bytes"):
        read_plain(path)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_protocol_of_python_3_is_read(protocol: int, tmp_path: Path) -> None:
    path = tmp_path / "gnd.pkl"
    path.write_bytes(pickle.dumps(trees.REVISITED, protocol=protocol))
    found = read_ground_truth(path, KINDS)
    assert found.images == trees.REVISITED["imlist"]
    assert found.queries == trees.REVISITED["qimlist"]
    assert found.boxes == [(136.5, 34.1, 648.5, 955.7), (130, 17, 843, 732)]
    assert found.rows == {"easy": [[0], []], "hard": [[1, 2], [4]], "junk": [[3], [0]]}


# What Python 2.7 writes for {'imlist': ['a', 'b'], 'qimlist': ['q'], 'gnd': [{'bbx': [1, 2.5, 3L, 4], ...}]}: its str
# are bytes, in the opcodes STRING (protocol 0) and SHORT_BINSTRING (protocol 2).
PYTHON_2 = {
    0: (
        b"(dp0\nS'imlist'\np1\n(lp2\nS'a'\np3\naS'b'\np4\nasS'qimlist'\np5\n(lp6\nS'q'\np7\nas"
        b"S'gnd'\np8\n(lp9\n(dp10\nS'bbx'\np11\n(lp12\nI1\naF2.5\naL3L\naI4\nas"
        b"S'easy'\np13\n(lp14\nI1\nasS'hard'\np15\n(lp16\nsS'junk'\np17\n(lp18\nI0\nasas."
    ),
    2: (
        b"\x80\x02}q\x00(U\x06imlistq\x01]q\x02(U\x01aq\x03U\x01bq\x04eU\x07qimlistq\x05]q\x06U\x01qq\x07a"
        b"U\x03gndq\x08]q\t}q\n(U\x03bbxq\x0b]q\x0c(K\x01G@\x04\x00\x00\x00\x00\x00\x00\x8a\x01\x03K\x04e"
        b"U\x04easyq\r]q\x0eK\x01aU\x04hardq\x0f]q\x10U\x04junkq\x11]q\x12K\x00auau."
    ),
}


@pytest.mark.parametrize("protocol", PYTHON_2)
def test_pickles_of_python_2_are_read(protocol: int, tmp_path: Path) -> None:
    path = tmp_path / "gnd.pkl"
    path.write_bytes(PYTHON_2[protocol])
    found = read_ground_truth(path, KINDS)
    assert (found.images, found.queries) == (["a", "b"], ["q"])
    assert found.boxes == [(1, 2.5, 3, 4)]
    assert found.rows == {"easy": [[1]], "hard": [[]], "junk": [[0]]}


def gnd(**changes: Any) -> dict[str, Any]:
    return trees.REVISITED | {"gnd": [trees.REVISITED["gnd"][0] | changes, trees.REVISITED["gnd"][1]]}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ([1, 2], "it holds no dictionary"),
        ({}, "imlist is no list of names"),
        (trees.REVISITED | {"imlist": []}, "imlist is no list of names"),
        (trees.REVISITED | {"qimlist": ["query_000000", 7]}, "qimlist is no list of names"),
        (trees.REVISITED | {"qimlist": [b"query_000000", b"x"]}, "qimlist is no list of names"),
        (trees.REVISITED | {"imlist": ["a", "../../etc/passwd"]}, "'../../etc/passwd' is no path below"),
        (trees.REVISITED | {"qimlist": ["a", "/etc/passwd"]}, "'/etc/passwd' is no path below"),
        (trees.REVISITED | {"qimlist": ["a", "b\0c"]}, "is no path below"),
        (trees.REVISITED | {"qimlist": ["a", ""]}, "is no path below"),
        (trees.REVISITED | {"qimlist": ["only one"]}, "gnd is no list of 1 entries"),
        (trees.REVISITED | {"gnd": None}, "gnd is no list of 2 entries"),
        (trees.REVISITED | {"gnd": [{}, []]}, "gnd[1] is no dictionary"),
        (gnd(bbx=None), "gnd[0] has no bbx of four numbers"),
        (gnd(bbx=[1, 2, 3]), "gnd[0] has no bbx of four numbers"),
        (gnd(bbx=[1, 2, 3, "4"]), "gnd[0] has no bbx of four numbers"),
        (gnd(bbx=[1, 2, 3, True]), "gnd[0] has no bbx of four numbers"),
        (gnd(bbx=[1, 2, 3, float("nan")]), "gnd[0] has no bbx of four numbers"),
        (gnd(bbx=[1, 2, 3, 10**5000]), "gnd[0] has no bbx of four numbers"),
        (gnd(bbx=[5, 2, 5, 9]), "the bbx of gnd[0] is empty"),
        (gnd(easy=None), "gnd[0] has no list easy"),
        (gnd(hard=[6]), "gnd[0] names 6 as hard, but imlist has 6 images"),
        (gnd(junk=[-1]), "gnd[0] names -1 as junk"),
        (gnd(junk=[1.0]), "gnd[0] names a float as junk"),
        (gnd(junk=[True]), "gnd[0] names a bool as junk"),
        (gnd(junk=["3\n"]), "gnd[0] names a str as junk"),
        (gnd(junk=[10**5000]), "gnd[0] names a far too large number as junk"),
    ],
)
def test_other_content_is_refused_with_what_is_wrong(content: Any, told: str, tmp_path: Path) -> None:
    path = tmp_path / "gnd.pkl"
    path.write_bytes(pickle.dumps(content, protocol=3))
    with pytest.raises(DatasetError) as caught:
        read_ground_truth(path, KINDS)
    message = str(caught.value)
    assert told in message and str(path) in message
    assert len(message.splitlines()) == 1


def test_a_reason_of_the_file_system_is_passed_on(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="cannot be used"):
        read_plain(tmp_path)
