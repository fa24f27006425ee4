"""Compiling a kernel's source for the host, in the place of CuPy's own compilation."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import IO, Any

from cuda_on_host import versions
from cuda_on_host.driver import MARK
from cuda_on_host.errors import CompilationFailed, NotEmulated
from cuda_on_host.ledger import ledger
from cuda_on_host.settings import settings
from cuda_on_host.toolchain import NATIVE, build_library

BALANCED = r"(?:[^()]|\((?:[^()]|\([^()]*\))*\))*"  # what stands between parentheses, two more levels of them included
ALIGNMENT = r"(?:__align__|alignas)\s*\([^()]*\)\s*"
DYNAMIC_SHARED = re.compile(
    rf"extern\s+(?:{ALIGNMENT}|volatile\s+)*__shared__\s+(?:{ALIGNMENT})*"
    rf"(?P<type>[\w:<>\s]+?)\s+(?:{ALIGNMENT})*(?P<name>\w+)\s*\[\s*\]\s*;"
)
BOUNDS = rf"__launch_bounds__\s*\((?P<bounds>{BALANCED})\)\s*"
KERNEL = re.compile(rf"__global__\s+(?:static\s+|void\s+)*(?:{BOUNDS})?(?:void\s+)?(?P<name>\w+)\s*\(")
COMMENT = re.compile(r'"(?:\\.|[^"\\\n])*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
OPTIMISATION = ("-O2", "-ffp-contract=off", "-fno-strict-aliasing")
# Checks that end a kernel: what a device would report, or silently get wrong.
CHECKS = ("-fsanitize=alignment,bounds,null", "-fsanitize-undefined-trap-on-error")
# -fno-gnu-unique and -Bsymbolic keep the variables and functions of one library from being taken for another's.
LINKAGE = ("-fno-gnu-unique", "-fno-semantic-interposition", "-Wl,-Bsymbolic", "-fpermissive", "-w")


def without_comments(source: str) -> str:
    """Return a source without its comments, each line where it was."""

    def shorten(match: re.Match[str]) -> str:
        text = match[0]
        return text if text.startswith('"') else " " + "\n" * text.count("\n")

    return COMMENT.sub(shorten, source)


def translate(source: str, name_expressions: Sequence[str] = ()) -> tuple[str, dict[str, str]]:
    """Turn a CUDA source into C++ for the host.

    Parameters
    ----------
    source
        The source as CuPy got or made it.
    name_expressions
        Instances of templates that are wanted.

    Returns
    -------
    tuple[str, dict[str, str]]
        The C++, and the name by which each instance is found.
    """
    text = without_comments(source)
    # A lambda that captures is only allowed inside of functions, which is where the array's address is known.
    text = DYNAMIC_SHARED.sub(
        r"\g<type> *const \g<name> = [&] { return reinterpret_cast<\g<type> *>(cuda_on_host_dynamic_shared()); }();",
        text,
    )
    if re.search(r"extern\s[^;(){}]*__shared__", text):
        raise CompilationFailed("a form of extern __shared__ that the host executor doesn't know")
    exports, bounded = [], 0
    for match in KERNEL.finditer(text):
        bounded += match["bounds"] is not None
        is_template = re.search(r"template\s*<[^;{}]*>\s*(?:static\s+|inline\s+)*$", text[: match.start()]) is not None
        if not is_template:
            exports.append(f"CUDA_ON_HOST_EXPORT({match['name']}, ({match['bounds'] or 1024}), ::{match['name']})")
    if len(re.findall(r"__launch_bounds__", text)) != bounded:
        raise CompilationFailed("__launch_bounds__ at a place where the host executor doesn't look for it")
    names = {expression: f"cuda_on_host_named_{i}" for i, expression in enumerate(name_expressions)}
    exports += [f"CUDA_ON_HOST_EXPORT({name}, (1024), {expression})" for expression, name in names.items()]
    return f'#include "cuda_on_host.h"\n#line 1 "kernel.cu"\n{text}\n' + "\n".join(exports) + "\n", names


def host_options(options: Sequence[str]) -> tuple[str, ...]:
    """Return those options of NVRTC that the host's compiler needs as well."""
    kept = []
    for option in options:
        if option.startswith(("-D", "-U", "-I", "-std=")):
            kept.append(option)
        for long, short in (("--define-macro=", "-D"), ("--include-path=", "-I"), ("--std=", "-std=")):
            if option.startswith(long):
                kept.append(short + option.removeprefix(long))
    return tuple(option for option in kept if option not in ("-std=c++11", "-std=c++14"))


def compile_source(
    source: str, options: Sequence[str], name_expressions: Sequence[str] = ()
) -> tuple[bytes, dict[str, str]]:
    """Return what stands for the compiled module, and the names of the instances of templates."""
    text, names = translate(source, name_expressions)
    folders = (f"-I{NATIVE / 'include'}", f"-I{versions.headers()}")
    arguments = (
        *OPTIMISATION,
        *CHECKS,
        *LINKAGE,
        *folders,
        *host_options(options),
        f"-Wl,-T,{NATIVE / 'include' / 'shared.ld'}",
    )
    path, compiled = build_library("kernels", {"kernel.cpp": text}, arguments, (versions.CUPY_VERSION,))
    if compiled:
        ledger.compilations["host"] += 1
    return MARK + str(path).encode(), names


def check_with_nvrtc(source: str, options: Sequence[str], name_expressions: Sequence[str]) -> None:
    """Send a source through the real NVRTC as well, for each architecture that is set."""
    from cupy.cuda import compiler  # noqa: PLC0415

    always = [o for o in ("-ftz=true", "--device-as-default-execution-space") if o not in options]
    for architecture in settings.nvrtc:
        program = compiler._NVRTCProgram(source, "kernel.cu", name_expressions=tuple(name_expressions), method="cubin")
        try:
            program.compile((*options, *always, f"-arch={architecture}"))
        except compiler.CompileException as error:
            raise CompilationFailed(f"NVRTC refuses a source for {architecture}:\n{error}") from error
        ledger.compilations[f"NVRTC {architecture}"] += 1


def compile_module(
    source: str,
    options: Sequence[str] = (),
    *,
    backend: str = "nvrtc",
    name_expressions: Sequence[str] | None = None,
    log_stream: IO[str] | None = None,
    to_ltoir: bool = False,
    **_ignored: Any,
) -> Any:
    """Stand in for CuPy's `_compile_module_with_cache`."""
    from cupy.cuda import function  # noqa: PLC0415

    if backend != "nvrtc" or to_ltoir:
        raise NotEmulated(f"compilation with {backend}{' to LTO-IR' if to_ltoir else ''}")
    expressions = tuple(name_expressions or ())
    check_with_nvrtc(source, options, expressions)
    image, names = compile_source(source, options, expressions)
    if log_stream is not None:
        log_stream.write("")
    module = function.Module()
    module.load(image)
    mapping: Mapping[str, str] | None = names or None
    if mapping:
        module._set_mapping(mapping)
    return module
