"""Run the Python code of the documentation's own pages, each page in a namespace of its own.

    python docs/run_guide.py [page.md ...]

Blocks that start with ```python are run, in order; ```text and others are not. A page states no
value that nobody checks: an expression that stands alone must be None, as a call for its effect is,
or its last line must end in `# -> ` and its value. What is not exact is rounded there. What
stands inside a loop, a function or a `with` is not evaluated by itself: no bare values there.
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
MARK = "  # -> "
# of a loop, a function or a class: calls for their effect, docstrings, generators
MAY_STAND_INSIDE = (ast.Call, ast.Constant, ast.Yield, ast.YieldFrom)


def run_block(code, first_line, page, namespace):
    source = "\n" * (first_line - 1) + code
    lines = source.splitlines()
    for statement in ast.parse(source, str(page)).body:
        *above, last = lines[statement.lineno - 1 : statement.end_lineno]
        _, mark, expected = last.partition(MARK)
        if isinstance(statement, ast.Expr) and not any(MARK in line for line in above):
            program = compile(ast.Expression(statement.value), str(page), "eval")
            value = eval(program, namespace)
            if mark and repr(value) != expected:
                raise AssertionError(f"{last.strip()}: the value is {value!r}")
            if not mark and value is not None:
                raise AssertionError(f"{last.strip()}: nothing checks the value, {value!r}")
        else:
            refuse_unchecked(statement, [*above, last])
            exec(compile(ast.Module([statement], []), str(page), "exec"), namespace)


def refuse_unchecked(statement, lines):
    """Values that are stated, or seem to be, where none is compared."""
    for line in lines:
        if MARK in line:
            raise AssertionError(f"{line.strip()}: only an expression that stands alone is checked")
    for node in ast.walk(statement):
        if isinstance(node, ast.Expr) and not isinstance(node.value, MAY_STAND_INSIDE):
            raise AssertionError(f"{ast.unparse(node)}: nothing checks the value")


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
