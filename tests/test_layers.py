"""Who may import whom, proven from the syntax tree: ARCHITECTURE's floors."""

from __future__ import annotations

import ast
import functools
import json
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "workbench"
#: Room -> rooms it may import, besides floor 0 and itself.
ROOMS: dict[str, set[str]] = {
    "dicom": set(),
    "labels": {"dicom"},
    "trust": {"dicom"},
    "arrays": {"dicom", "labels"},
    "extracts": {"dicom", "trust"},
    "fetch": {"dicom", "extracts"},
    "cohort": {"extracts", "arrays", "labels", "dicom"},
    "measure": {"arrays", "labels", "cohort"},
    "synthetic": {"dicom", "labels", "extracts"},
    "widgets": {"cohort", "arrays", "measure"},
    "reports": {"trust", "cohort"},
    "federation": {"reports", "trust", "cohort"},
    "teaching": {"synthetic", "reports", "cohort"},
}
ROOMS["cli"] = set(ROOMS)
#: The inner rooms of dicom/: each imports itself and those before it; the modules beside them are the doors.
DICOM_ROOMS = ("headers", "stacks", "values", "pixels")
FLOOR_0 = {"arguments", "errors", "findings", "options", "processes", "progress", "shipped", "wheelhouse", "writing"}
#: Libraries a room must not know.
UNKNOWN = {"dicom": {"xarray", "pandas", "highdicom"}}
PLOTTING = {"matplotlib"}
#: What must not be loaded by the light entrances.
HEAVY = ["pandas", "xarray", "pydicom", "matplotlib", "papermill", "pyarrow"]


@functools.cache
def _files() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if "_shipped" not in path.parts)


def _room(path: Path) -> str:
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else parts[0].removesuffix(".py")


@functools.cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@functools.cache
def _imports(path: Path) -> list[tuple[str, bool]]:
    """Names imported anywhere in the file, and whether at module level while running (not for type checking)."""
    found: list[tuple[str, bool]] = []

    def visit(node: ast.AST, top: bool) -> None:
        for inner in ast.iter_child_nodes(node):
            if isinstance(inner, ast.Import):
                found.extend((alias.name, top) for alias in inner.names)
            elif isinstance(inner, ast.ImportFrom):
                assert inner.level == 0, f"{path}: relative import"
                module = inner.module or ""
                names = [f"{module}.{alias.name}" if module == "workbench" else module for alias in inner.names]
                found.extend((name, top) for name in names)
            else:
                within = isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef)
                typing_only = isinstance(inner, ast.If) and "TYPE_CHECKING" in ast.unparse(inner.test)
                visit(inner, top and not within and not typing_only)

    visit(_tree(path), True)
    return found


def test_every_room_of_the_package_is_on_the_map() -> None:
    rooms = {path.name for path in PACKAGE.iterdir() if path.is_dir() and not path.name.startswith("_")}
    assert rooms <= set(ROOMS)
    modules = {path.stem for path in PACKAGE.glob("*.py")}
    assert modules <= FLOOR_0 | {"__init__", "__main__"}


@pytest.mark.parametrize("room", sorted({_room(path) for path in _files()} - {"__init__", "__main__"}))
def test_a_room_imports_only_what_lies_below(room: str) -> None:
    allowed = FLOOR_0 | {room, "__version__"} | ROOMS.get(room, set())
    wrong = [
        f"{path.relative_to(PACKAGE)} imports {name}"
        for path in _files()
        if _room(path) == room
        for name, _ in _imports(path)
        if (parts := name.split("."))[0] == "workbench" and len(parts) > 1 and parts[1] not in allowed
    ]
    assert not wrong


@pytest.mark.parametrize("room", DICOM_ROOMS)
def test_an_inner_room_of_dicom_imports_only_those_before_it(room: str) -> None:
    allowed = DICOM_ROOMS[: DICOM_ROOMS.index(room) + 1]
    for path in sorted((PACKAGE / "dicom" / room).glob("*.py")):
        for name, _ in _imports(path):
            parts = name.split(".")
            if parts[:2] == ["workbench", "dicom"]:
                assert (parts[2:] or [""])[0] in allowed, f"{path.name} imports {name}"


@pytest.mark.parametrize("room", sorted({_room(path) for path in _files()}))
def test_libraries_are_where_their_work_is(room: str) -> None:
    for path in _files():
        for name, top in _imports(path) if _room(path) == room else ():
            library = name.split(".")[0]
            assert library not in UNKNOWN.get(room, set()), f"{path.relative_to(PACKAGE)} imports {library}"
            assert not (top and library in PLOTTING), f"{path.relative_to(PACKAGE)} imports {library} at module level"


def test_xarray_objects_are_built_in_arrays_alone() -> None:
    built = {"Dataset", "DataArray", "Variable", "DataTree"}
    for path in _files():
        if _room(path) == "arrays":
            continue
        for node in ast.walk(_tree(path)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in built:
                assert ast.unparse(node.func.value) not in ("xr", "xarray"), f"{path.name}:{node.lineno}"


def test_files_stay_small() -> None:
    long = {str(p.relative_to(PACKAGE)): n for p in _files() if (n := len(p.read_text().splitlines())) > 400}
    assert not long


def _loaded(code: str) -> list[str]:
    program = f"{code}\nimport json, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return [name for name in HEAVY if name in json.loads(done.stdout.splitlines()[-1])]


def test_import_workbench_loads_nothing_heavy() -> None:
    assert _loaded("import workbench") == []


def test_help_loads_nothing_heavy() -> None:
    assert _loaded("from workbench.cli import main\ntry:\n    main(['--help'])\nexcept SystemExit: pass") == []


def test_listing_reports_loads_nothing_heavy() -> None:
    assert _loaded("from workbench.cli import main\ntry:\n    main(['report', 'list'])\nexcept SystemExit: pass") == []


def test_opening_an_indexed_cohort_loads_nothing_heavy(small_federation: Path) -> None:
    extracts, lake = (str(small_federation / name) for name in ("extracts/*", "datalake"))
    code = (
        "from workbench.cli import main\n"
        f"given = [{extracts!r}, '--link-root', {lake!r}]\n"
        "try:\n    main(['open', *given])\n"
        "except SystemExit as end: assert not end.code"
    )
    _loaded(code)
    assert _loaded(code) == []
