"""Two kinds of mutants that cosmic-ray has none of: a statement left out, and a call replaced by its argument.

Code that hands arrays on has few operators and constants to mutate; what goes wrong there is a check that is not
made, a state that is not stored, a copy that is not taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import parso
from cosmic_ray.operators.operator import Example, Operator
from parso.python.tree import ExprStmt, Keyword, Name, PythonNode, String
from parso.tree import NodeOrLeaf

Position = tuple[int, int]


class RemoveStatement(Operator):
    """Put ``pass`` in place of a statement that works by its effect.

    That is a call, ``raise``, ``x += …`` and an assignment to an attribute or an element. To leave out the
    definition of a local name would only raise a NameError at its first use, which says nothing of the tests.
    """

    def mutation_positions(self, node: NodeOrLeaf) -> Iterator[tuple[Position, Position]]:
        if node.parent is not None and node.parent.type == "simple_stmt" and _works_by_its_effect(node):
            yield node.start_pos, node.end_pos

    def mutate(self, node: NodeOrLeaf, index: int) -> NodeOrLeaf:
        assert index == 0
        return Keyword("pass", node.start_pos, prefix=node.get_first_leaf().prefix)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (
            Example("check(x)\n", "pass\n"),
            Example("self.h = h\n", "pass\n"),
            Example("total += 1\n", "pass\n"),
            Example("raise ValueError\n", "pass\n"),
        )


def _works_by_its_effect(node: NodeOrLeaf) -> bool:
    if isinstance(node, ExprStmt):
        augmented = node.children[1].type == "operator" and node.children[1].value != "="  # type: ignore[attr-defined]
        annotated = node.children[1].type == "annassign"
        target = node.children[0]
        return augmented or (not annotated and target.type in {"power", "atom_expr"})
    called = node.type in {"power", "atom_expr"} and not isinstance(node, String)
    return called or node.type == "raise_stmt"


class ReplaceCallByArgument(Operator):
    """Put the argument in place of a call that has one: ``copy(x)`` becomes ``x``."""

    def mutation_positions(self, node: NodeOrLeaf) -> Iterator[tuple[Position, Position]]:
        if _argument(node) is not None:
            yield node.start_pos, node.end_pos

    def mutate(self, node: NodeOrLeaf, index: int) -> NodeOrLeaf:
        assert index == 0
        argument = _argument(node)
        assert argument is not None
        code = f"{node.get_first_leaf().prefix}({argument.get_code().strip()})"
        made: Any = parso.parse(code)
        return made

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example("y = copy(x)", "y = (x)"), Example("y = self.copy(x[0])", "y = (x[0])"))


def _argument(node: NodeOrLeaf) -> NodeOrLeaf | None:
    """Return the argument of a call with a single one, given by position; None for anything else."""
    if node.type not in {"power", "atom_expr"} or not isinstance(node, PythonNode):
        return None
    trailer = node.children[-1]
    if trailer.type != "trailer" or len(trailer.children) != 3 or trailer.children[0].value != "(":
        return None
    argument = trailer.children[1]
    several = argument.type in {"arglist", "argument", "star_expr"}  # 'argument' is name=value, *x, or a generator
    named = isinstance(node.children[0], Name)
    return argument if named and not several else None


class Provider:
    """What cosmic-ray asks for operators by name."""

    _operators = {kind.__name__: kind for kind in (RemoveStatement, ReplaceCallByArgument)}  # noqa: RUF012

    def __iter__(self) -> Iterator[str]:
        return iter(self._operators)

    def __getitem__(self, name: str) -> type[Operator]:
        return self._operators[name]
