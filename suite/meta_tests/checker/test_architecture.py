"""The shape of the two packages: who imports what, overrides with the base's signatures, short files, docstrings."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from timernn.base import ArrayBackend
from timernn.contract import BackendUnavailable
from timernn.registry import backend_statuses

ARRAY_LIBRARIES = {"numpy", "numba", "cupy", "torch", "jax", "tensorflow", "mlx", "dask", "scipy"}
#: What the yardstick may know of `timernn`: the contract, the registry, and the names at the top.
ALLOWED = {"timernn", "timernn.contract", "timernn.registry"}
LONGEST = 400


def modules(package: str) -> dict[str, Path]:
    """Return every source file of an installed package by its module's name."""
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.submodule_search_locations is not None
    (root,) = map(Path, spec.submodule_search_locations)
    found = {}
    for path in sorted(root.rglob("*.py")):
        parts = (package, *path.relative_to(root).with_suffix("").parts)
        found[".".join(parts).removesuffix(".__init__")] = path
    assert len(found) > 5
    return found


IMPLS, SUITE = modules("timernn"), modules("timernn_suite")
EVERY = IMPLS | SUITE
every_module = pytest.mark.parametrize("module", EVERY)


def tree_of(module: str) -> ast.Module:
    return ast.parse(EVERY[module].read_text(encoding="utf-8"))


def imports(module: str) -> set[str]:
    """Return the modules that a module names in its import statements, those inside functions included."""
    found = set()
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: line {node.lineno} imports by dots, which this test can't follow"
            assert node.module is not None
            # 'from timernn import registry' names a module too.
            found |= {node.module} | {
                f"{node.module}.{a.name}" for a in node.names if f"{node.module}.{a.name}" in EVERY
            }
    return found


def inside(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


@pytest.mark.parametrize("module", SUITE)
def test_the_suite_knows_only_the_contract_and_the_registry(module):
    ours = {name for name in imports(module) if inside(name, "timernn")}
    assert ours <= ALLOWED


@pytest.mark.parametrize("module", IMPLS)
def test_the_implementations_know_nothing_of_the_suite(module):
    assert not {name for name in imports(module) if inside(name, "timernn_suite")}


def test_the_contract_imports_no_array_library_and_nothing_of_ours():
    tops = {name.partition(".")[0] for name in imports("timernn.contract")}
    assert not tops & (ARRAY_LIBRARIES | {"timernn", "timernn_suite"})


def test_only_a_backend_or_a_peer_of_its_own_imports_an_array_library_other_than_numpy():
    others = ARRAY_LIBRARIES - {"numpy"}
    for module in EVERY:
        used = {name.partition(".")[0] for name in imports(module)} & others
        # numba_backend, a module in numba_kernels, or torch_rnn among the peers
        owners = {part.rpartition("_")[0] for part in module.split(".") if part.endswith(("_backend", "_kernels"))}
        if module.startswith("timernn_suite.speed.peers."):
            owners = {module.rpartition(".")[2].partition("_")[0]}
        assert used <= owners, module


@pytest.mark.parametrize("package", ["timernn", "timernn_suite.cli", "timernn_suite.conformance.plugin"])
def test_importing_loads_no_array_library_but_numpy(package):
    code = f"import sys, {package}; print(*(set({sorted(ARRAY_LIBRARIES - {'numpy'})}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def subclasses(base: type) -> Iterator[type]:
    for child in base.__subclasses__():
        yield child
        yield from subclasses(child)


def array_backends() -> list[type[ArrayBackend]]:
    """Return every subclass of `ArrayBackend` that `timernn` brings along and that can be imported here."""
    for module in IMPLS:
        if module.endswith("_backend"):
            try:
                importlib.import_module(module)
            except (ImportError, BackendUnavailable):
                continue
    return [kind for kind in subclasses(ArrayBackend) if inside(kind.__module__, "timernn")]


def shape_of(function) -> list[tuple[str, object, object]]:
    return [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]


def test_an_override_never_has_another_signature():
    checked = 0
    for kind in array_backends():
        for name, own in vars(kind).items():
            inherited = getattr(ArrayBackend, name, None)
            if inspect.isfunction(own) and inspect.isfunction(inherited):
                assert shape_of(own) == shape_of(inherited), f"{kind.__name__}.{name}"
                checked += not name.startswith("_")
    assert checked >= 5


def test_a_backend_adds_no_public_method_that_the_base_does_not_have():
    for kind in array_backends():
        added = {name for name in vars(kind) if not name.startswith("_") and not hasattr(ArrayBackend, name)}
        assert added <= set(ArrayBackend.__annotations__), kind.__name__


def test_every_registered_backend_of_ours_is_one_of_those_classes():
    ours = [status for status in backend_statuses() if status.origin.startswith("timernn ") and status.backend]
    assert ours
    for status in ours:
        assert type(status.backend) in array_backends(), status.name


@every_module
def test_no_file_is_long(module):
    lines = EVERY[module].read_text(encoding="utf-8").count("\n")
    assert lines <= LONGEST


@every_module
def test_every_module_says_first_what_it_is_for(module):
    assert (ast.get_docstring(tree_of(module)) or "").strip()
    assert EVERY[module].read_text(encoding="utf-8").startswith('"""')


def public_definitions(body: list[ast.stmt], owner: str = "") -> Iterator[tuple[str, ast.AST]]:
    """Yield public functions and classes, and the public methods of public classes; a setter has its getter's."""
    for node in body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        setter = any(isinstance(mark, ast.Attribute) and mark.attr == "setter" for mark in node.decorator_list)
        if not node.name.startswith("_") and not setter:
            yield owner + node.name, node
            if isinstance(node, ast.ClassDef):
                yield from public_definitions(node.body, f"{owner}{node.name}.")


@pytest.mark.parametrize("module", [name for name in EVERY if ".test_" not in name])
def test_everything_public_has_a_docstring(module):
    bare = [name for name, node in public_definitions(tree_of(module).body) if not ast.get_docstring(node)]
    assert bare == []
