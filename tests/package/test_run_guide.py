"""docs/run_guide.py fails on what a page states and nobody checks."""

import re
from pathlib import Path

import pytest

ROOT = next(folder for folder in Path(__file__).parents if (folder / "docs" / "guide").is_dir())


@pytest.fixture
def run_guide(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    import run_guide

    return run_guide


def runs(run_guide, tmp_path, *blocks):
    page = tmp_path / "page.md"
    page.write_text("A page.\n" + "".join(f"\n```python\n{code}\n```\n" for code in blocks))
    return run_guide.run_page(page)


@pytest.mark.parametrize(
    "code",
    [
        "x = [1]\nx.append(2)\nx  # -> [1, 2]",
        "print(1 + 1)",
        "round(0.9712, 2)  # -> 0.97",
        "sum(\n    [1, 2]\n)  # -> 3",
        "assert 1 + 1 == 2  # which is exact",
        "for i in range(2):\n    print(i)",
        'def f():\n    """A docstring."""\n    yield 1',
    ],
)
def test_passes(code, run_guide, tmp_path, capsys):
    assert runs(run_guide, tmp_path, code), capsys.readouterr()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("0.927 > 0.95", "nothing checks the value, False"),
        ("x = 3\nx", "nothing checks the value, 3"),
        ("sum(\n    [1, 2]\n)", "nothing checks the value, 3"),
        ("round(0.9712, 2)  # 0.97", "nothing checks the value, 0.97"),
        ("1 + 1  # -> 3", "the value is 2"),
        ("sum(\n    [1, 2]\n)  # -> 4", "the value is 3"),
        ("x = 1 + 1  # -> 2", "only an expression that stands alone is checked"),
        ("for i in range(2):\n    i  # -> 1", "only an expression that stands alone is checked"),
        ("for i in range(2):\n    i > 3", "i > 3: nothing checks the value"),
        ("1 / 0", "ZeroDivisionError"),
        ("x =", "SyntaxError"),
    ],
)
def test_fails(code, said, run_guide, tmp_path, capsys):
    assert not runs(run_guide, tmp_path, "y = 1", code)
    shown = capsys.readouterr()
    assert said in shown.err
    assert "the block at line 8 fails" in shown.out


def test_blocks_share_a_namespace(run_guide, tmp_path):
    assert runs(run_guide, tmp_path, "x = 3", "x  # -> 3")
    assert not runs(run_guide, tmp_path, "x")


def test_each_page_is_in_the_table_of_contents():
    """Of the guide: a page that no reader finds is no page."""
    trees = re.findall(r"```{toctree}\n(.*?)```", (ROOT / "docs/index.md").read_text(), re.DOTALL)
    listed = set(re.findall(r"^guide/\w+$", "\n".join(trees), re.MULTILINE))
    assert listed == {f"guide/{page.stem}" for page in (ROOT / "docs/guide").glob("*.md")}
