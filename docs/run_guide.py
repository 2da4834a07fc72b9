"""Run the Python code of the documentation's own pages, each page in a namespace of its own.

    python docs/run_guide.py [page.md ...]

Blocks that start with ```python are run, in order; ```text and others are not. Where a line ends
in `# -> ` and a value, the expression on it must have that value.
"""

import ast
import re
import sys
import traceback
import warnings
from pathlib import Path

import matplotlib
from sklearn.exceptions import ConvergenceWarning

HERE = Path(__file__).parent
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
EXPECTED = re.compile(r"^(.+?)  # -> (.+)$")


def run_block(code, first_line, page, namespace):
    source = "\n" * (first_line - 1) + code
    lines = source.splitlines()
    for statement in ast.parse(source, str(page)).body:
        text = "\n".join(lines[statement.lineno - 1 : statement.end_lineno])
        expected = EXPECTED.match(text)
        if expected and isinstance(statement, ast.Expr):
            value = eval(expected[1], namespace)
            if repr(value) != expected[2]:
                raise AssertionError(f"{expected[1]} is {value!r}, the page says {expected[2]}")
        else:
            module = ast.Module([statement], [])
            exec(compile(module, str(page), "exec"), namespace)


def run_page(page):
    text, namespace = page.read_text(), {"__name__": "__main__"}
    for block in BLOCK.finditer(text):
        first_line = text.count("\n", 0, block.start(1)) + 1
        try:
            run_block(block[1], first_line, page, namespace)
        except Exception:
            print(f"{page}: the block at line {first_line} fails")
            traceback.print_exc()
            return False
    return True


def main():
    matplotlib.use("Agg")
    warnings.filterwarnings("ignore", category=ConvergenceWarning)
    generated = {HERE / "_build", HERE / "gallery", HERE / "api"}
    pages = [Path(argument) for argument in sys.argv[1:]] or sorted(
        page for page in HERE.rglob("*.md") if not generated & set(page.parents)
    )
    failed = [page for page in pages if not run_page(page)]
    print(f"code of {len(pages)} pages: {len(failed)} failed")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
