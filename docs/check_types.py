"""Check the types of the documentation's code with mypy and pyright, as a user's editor would.

    python docs/check_types.py [page ...]

The pages are the README, those of docs, the examples, and the docstrings of the package. The code
of each page, and of each docstring, becomes a file of its own in a temporary folder, on the lines
that it has in the page; findings are printed with these lines. Examples that end in an error on
purpose (their docstring shows the traceback) are left out.

Each run includes typed_program.py, which has errors in it: both checkers have to find them all.

Both checkers look at functions without annotations, too. Packages that do not state their types
(scikit-learn, SciPy, pandas) are left alone, so that no release of theirs can end the gate.
"""

import ast
import doctest
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from run_guide import BLOCK, HERE

ROOT = HERE.parent
CONTROL = HERE / "typed_program.py"  # in it, lines that end in WRONG must be found
WRONG = "# wrong"
PYRIGHT = {
    "typeCheckingMode": "standard",
    "useLibraryCodeForTypes": False,  # of packages that do not state their types: no guesses
    "reportUnusedExpression": False,  # a page shows values
    "reportPossiblyUnboundVariable": False,  # no question of types
    "reportDeprecated": "error",
}
MYPY = """
[mypy]
check_untyped_defs = True
allow_redefinition = True
ignore_missing_imports = True
warn_unreachable = True
enable_error_code = deprecated
"""
FINDING = re.compile(r"^(.+?):(\d+): error: (.+)$")


def pages():
    generated = {HERE / "_build", HERE / "gallery", HERE / "api"}
    found = [ROOT / "README.md", *HERE.rglob("*.md")]
    found += [*(ROOT / "examples").rglob("*.py"), *(ROOT / "src/fastbp").rglob("*.py")]
    return sorted(page for page in found if not generated & set(page.parents))


def programs(page):
    """(name, code) of a page: what runs in one namespace, on the lines that it has in the page."""
    text = page.read_text()
    if page.suffix == ".md":
        blocks = [(text.count("\n", 0, one.start(1)), one[1]) for one in BLOCK.finditer(text)]
        return [("page", _on_lines(blocks))]
    return _docstrings(text) if ROOT / "src" in page.parents else [("page", text)]


def _docstrings(source):
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and node.body:
            first = node.body[0]
            if ast.get_docstring(node) is not None:
                text = ast.get_source_segment(source, first, padded=True)
                examples = [
                    (first.lineno - 1 + one.lineno, one.source)
                    for one in doctest.DocTestParser().get_examples(text)
                    if one.exc_msg is None
                ]
                found.append((getattr(node, "name", "module"), _on_lines(examples)))
    return found


def _on_lines(pieces):
    """Pieces of code, each with the number of lines above it, as one text."""
    lines = []
    for above, code in pieces:
        lines += [""] * (above - len(lines)) + code.splitlines()
    return "".join(f"{line}\n" for line in lines)


def write_programs(chosen, folder):
    """Write the programs of the pages to a folder; returns the page of each file."""
    page_of = {}
    for number, page in enumerate(chosen):
        for name, code in programs(page):
            if code.strip():
                path = folder / f"page_{number}_{name}_{len(page_of)}.py"
                path.write_text(code)
                page_of[path.name] = page
    return page_of


def run_mypy(folder):
    """(file name, line, message) of each finding."""
    (folder / "mypy.ini").write_text(MYPY)
    # one call for all: each file is a module of its own
    command = [sys.executable, "-m", "mypy", "--config-file", "mypy.ini", "--no-error-summary"]
    command += ["--hide-error-context", "--cache-dir", str(ROOT / ".mypy_cache/docs"), "."]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode not in (0, 1):
        raise RuntimeError(f"mypy has failed:\n{done.stdout}{done.stderr}")
    found = filter(None, map(FINDING.match, done.stdout.splitlines()))
    return [(Path(one[1]).name, int(one[2]), one[3]) for one in found]


def run_pyright(folder):
    """The same."""
    (folder / "pyrightconfig.json").write_text(json.dumps(PYRIGHT))
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode not in (0, 1):
        raise RuntimeError(f"pyright has failed:\n{done.stdout}{done.stderr}")
    return [
        (Path(one["file"]).name, one["range"]["start"]["line"] + 1, one["message"].splitlines()[0])
        for one in json.loads(done.stdout)["generalDiagnostics"]
        if one["severity"] == "error"
    ]


def check(chosen):
    """What both checkers find in the code of some pages: (page, line, what)."""
    found = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        page_of = write_programs([*chosen, CONTROL], folder)
        for checker, run in (("mypy", run_mypy), ("pyright", run_pyright)):
            messages = [(page_of[file], line, message) for file, line, message in run(folder)]
            found += [
                (page, line, f"{checker}: {message}")
                for page, line, message in messages
                if not (page == CONTROL and line in wrong_lines())
            ]
            missed = wrong_lines() - {line for page, line, _ in messages if page == CONTROL}
            found += [(CONTROL, line, f"{checker} does not find this error") for line in missed]
    return sorted(found)


def wrong_lines():
    lines = CONTROL.read_text().splitlines()
    return {number for number, line in enumerate(lines, start=1) if line.endswith(WRONG)}


def main():
    chosen = [Path(argument).resolve() for argument in sys.argv[1:]] or pages()
    found = check(chosen)
    for page, line, what in found:
        print(f"{page.relative_to(ROOT)}:{line}: {what}")
    print(f"types in {len(chosen)} pages: {len(found)} findings")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
