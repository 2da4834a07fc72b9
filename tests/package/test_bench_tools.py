"""What the benchmarks' guards conclude from what they read; nothing is timed here."""

from pathlib import Path

import pytest

# two objects, a call from the core into libc, which is not the core's own, and a callback
PROFILE = """\
# callgrind format
events: Ir
desc: Trigger: Client Request: tiny float64 2
ob=(1) /usr/lib/libc.so.6
fn=(1) main
16 1000
cob=(2) /site-packages/fastbp/_kernels/core_avx2.cpython-311.so
cfn=(2) train
calls=1 0
+4 77
ob=(2)
fn=(2)
20 30
+2 7
cob=(1)
cfn=(3) memcpy
calls=2 0
* 500
fi=(4) gemm.h
-3 5
fn=(5) step
40 8
ob=(1)
fn=(3)
0 500
"""


@pytest.fixture
def instructions(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    import instructions

    return instructions


def test_only_the_core_itself_is_counted(instructions, tmp_path):
    file = tmp_path / "counts.1"
    file.write_text(PROFILE)
    assert instructions.read_counts(file, "core_avx2.") == ("tiny float64 2", 30 + 7 + 5 + 8)


@pytest.mark.parametrize(
    ("compiler", "now", "n_worse"),
    [("gcc 1", 102, 0), ("gcc 1", 104, 1), ("gcc 1", 50, 0), ("gcc 2", 120, 0), ("gcc 2", 140, 1)],
)
def test_more_instructions_are_worse_and_another_compiler_has_room(
    instructions, compiler, now, n_worse
):
    stored = {"avx2": {"gcc 1": {"tiny float64": 100}}}
    assert instructions.compare("avx2", compiler, {"tiny float64": now}, stored) == n_worse
