"""Replacing the C functions of CuPy's modules by Python functions, through trampolines made from their signatures.

A Cython module offers its C functions to others in `__pyx_capi__`: capsules whose names are the signatures. Others
read the table when they are imported, so replaced entries are what they call. A trampoline calls a Python function and
leaves its exception in place, as the caller expects of a Cython function.
"""

from __future__ import annotations

import atexit
import ctypes
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType

from cuda_on_host.errors import NotEmulated
from cuda_on_host.toolchain import build_library

# How a value of each C type becomes a Python object, and a result one of C.
TO_PYTHON = {
    "int": "PyLong_FromLong((long)%s)",
    "CUdevice": "PyLong_FromLong((long)%s)",
    "cudaMemcpyKind": "PyLong_FromLong((long)%s)",
    "unsigned int": "PyLong_FromUnsignedLong((unsigned long)%s)",
    "intptr_t": "PyLong_FromSsize_t((ssize_t)%s)",
    "size_t": "PyLong_FromSize_t(%s)",
    "uintmax_t": "PyLong_FromUnsignedLongLong(%s)",
    "PyObject *": "keep(%s)",
    "void *": "address_or_none(%s)",
}
FROM_PYTHON = {
    "int": "PyLong_AsLong",
    "unsigned int": "PyLong_AsUnsignedLong",
    "intptr_t": "PyLong_AsSsize_t",
    "size_t": "PyLong_AsSize_t",
    "uintmax_t": "PyLong_AsUnsignedLongLong",
    "float": "PyFloat_AsDouble",
}
C_TYPES = {"CUdevice": "int", "cudaMemcpyKind": "int"}

# What a function returns when it raises, as CuPy declares it ("except? 0" and so on): by type, and where it differs.
ERROR_VALUES = {
    "int": "-1",
    "unsigned int": "0",
    "intptr_t": "0",
    "size_t": "(size_t)-1",
    "uintmax_t": "0",
    "float": "0",
}
ERROR_VALUES_BY_NAME = {"funcGetAttribute": "-2", "streamGetPriority": "0"}

PREAMBLE = """
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// The few functions of Python's stable interface that are needed: no headers of Python's are.
typedef struct _object PyObject;
extern "C" {
PyObject *PyTuple_New(ssize_t);
int PyTuple_SetItem(PyObject *, ssize_t, PyObject *);
PyObject *PyObject_CallObject(PyObject *, PyObject *);
PyObject *Py_BuildValue(const char *, ...);
PyObject *PyLong_FromLong(long);
PyObject *PyLong_FromUnsignedLong(unsigned long);
PyObject *PyLong_FromSsize_t(ssize_t);
PyObject *PyLong_FromSize_t(size_t);
PyObject *PyLong_FromUnsignedLongLong(unsigned long long);
PyObject *PyLong_FromVoidPtr(void *);
long PyLong_AsLong(PyObject *);
unsigned long PyLong_AsUnsignedLong(PyObject *);
ssize_t PyLong_AsSsize_t(PyObject *);
size_t PyLong_AsSize_t(PyObject *);
unsigned long long PyLong_AsUnsignedLongLong(PyObject *);
double PyFloat_AsDouble(PyObject *);
PyObject *PyErr_Occurred(void);
void Py_IncRef(PyObject *);
void Py_DecRef(PyObject *);
}

static int closed = 0;  // set when the interpreter is about to end: then nothing calls Python any more

static PyObject *keep(PyObject *object) {
    Py_IncRef(object);
    return object;
}

static PyObject *address_or_none(void *address) {
    return address ? PyLong_FromVoidPtr(address) : Py_BuildValue("");
}

extern "C" void cuda_on_host_close(void) { closed = 1; }
"""


@dataclass(frozen=True)
class Signature:
    """A C function as a capsule's name describes it: the arguments that Python sees, then those it doesn't."""

    result: str
    arguments: tuple[str, ...]
    hidden: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Signature | None:
        """Read a capsule's name; None if it is no function, or has types that no trampoline can pass."""
        match = re.fullmatch(r"(.*?) ?\((.*)\)", text)
        if match is None:
            return None
        arguments, hidden = [], []
        for part in match[2].split(", ") if match[2] != "void" else []:
            if part == "int __pyx_skip_dispatch":
                hidden.append("int")
            elif part.endswith("*__pyx_optional_args"):
                arguments.append("void *")
            else:
                arguments.append(part.strip())
        signature = cls(match[1].strip(), tuple(arguments), tuple(hidden))
        known = signature.result == "PyObject *" or signature.result in FROM_PYTHON
        return signature if known and all(a in TO_PYTHON for a in arguments) else None

    @property
    def has_options(self) -> bool:
        """Whether there are arguments that may be left out: they come in one struct."""
        return "void *" in self.arguments

    def source(self, name: str) -> str:
        """Return the C++ of the trampoline, and of the function that gives it its Python function."""
        # The struct of optional arguments comes behind the hidden argument.
        options = ["void *"] if self.has_options else []
        plain = [a for a in self.arguments if a != "void *"]
        types = [*plain, *self.hidden, *options]
        positions = [i for i, _ in enumerate(plain)] + [len(types) - 1] * len(options)
        parameters = ", ".join(f"{C_TYPES.get(a, a)} a{i}" for i, a in enumerate(types)) or "void"
        packing = "\n".join(
            f"    PyTuple_SetItem(arguments, {place}, {TO_PYTHON[types[position]] % f'a{position}'});"
            for place, position in enumerate(positions)
        )
        if self.result == "PyObject *":
            at_end, finish = 'Py_BuildValue("")', "    return result;"
        else:
            error = ERROR_VALUES_BY_NAME.get(name, ERROR_VALUES[self.result])
            at_end = "0"
            finish = (
                f"    if (!result) return {error};\n"
                f"    {self.result} value = ({self.result}){FROM_PYTHON[self.result]}(result);\n"
                f"    Py_DecRef(result);\n"
                f"    return PyErr_Occurred() ? ({self.result}){error} : value;"
            )
        return f"""
static PyObject *function_{name};
extern "C" void bind_{name}(PyObject *function) {{ function_{name} = keep(function); }}
extern "C" {self.result} trampoline_{name}({parameters}) {{
    if (closed) return {at_end};
    PyObject *arguments = PyTuple_New({len(positions)});
{packing}
    PyObject *result = PyObject_CallObject(function_{name}, arguments);
    Py_DecRef(arguments);
{finish}
}}
"""


def optional_argument(given: int | None, default: int) -> int:
    """Return a small optional argument: from Cython comes a struct's address or None, from Python the number itself."""
    if given is None:
        return default
    if given < 4096:  # no address
        return given
    # A count of those given, and then the argument.
    count, value = (ctypes.c_int * 2).from_address(given)
    return int(value) if count else default


def _refusal(qualified_name: str) -> Callable[..., None]:
    def refuse(*_arguments: object) -> None:
        raise NotEmulated(f"the host executor doesn't have {qualified_name}")

    return refuse


def replace(module: ModuleType, functions: Mapping[str, Callable[..., object]]) -> None:
    """Replace the functions of a Cython module, for C callers and for Python callers; refuse those without one.

    Parameters
    ----------
    module
        The module; nothing that uses it may be imported yet.
    functions
        A Python function for each name that there is one for. It gets the struct of optional arguments as an address
        (Python callers can leave it out).
    """
    api = ctypes.pythonapi
    api.PyCapsule_GetName.restype, api.PyCapsule_GetName.argtypes = ctypes.c_char_p, [ctypes.py_object]
    api.PyCapsule_New.restype = ctypes.py_object
    api.PyCapsule_New.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]

    table: dict[str, object] = module.__pyx_capi__
    missing = functions.keys() - table.keys()
    if missing:
        raise NotEmulated(f"{module.__name__} has no {', '.join(sorted(missing))}: is it another version of CuPy?")
    names = {name: api.PyCapsule_GetName(capsule) for name, capsule in table.items()}
    signatures = {name: Signature.parse(text.decode()) for name, text in names.items()}
    chosen = {name: signature for name, signature in signatures.items() if signature is not None}
    source = PREAMBLE + "".join(signature.source(name) for name, signature in sorted(chosen.items()))
    path, _ = build_library("trampolines", {"trampolines.cpp": source}, ("-O1", "-Wno-attributes"))
    library = ctypes.PyDLL(str(path))
    for name in chosen:
        function = functions.get(name) or _refusal(f"{module.__name__}.{name}")
        bind = getattr(library, f"bind_{name}")
        bind.argtypes, bind.restype = [ctypes.py_object], None
        bind(function)
        address = ctypes.cast(getattr(library, f"trampoline_{name}"), ctypes.c_void_p).value
        kept = ctypes.create_string_buffer(names[name])
        _kept.append(kept)
        table[name] = api.PyCapsule_New(address, ctypes.addressof(kept), None)
        setattr(module, name, function)
    atexit.register(library.cuda_on_host_close)


_kept: list[object] = []  # the names of capsules must live as long as these
