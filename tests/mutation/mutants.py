"""Every small change to a module that its tests must notice.

A mutant changes one node: a comparison, an operator, a constant, a condition, an argument that is named, a bound of a
slice, or a statement that is left out. Docstrings, annotations, decorators, imports and the names of types in casts are
left alone: nothing that runs depends on them, or everything does. So are the words of an error: what is refused, with
which class and code, is behaviour, and another word in the sentence for people isn't.
"""

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from functools import singledispatch
from types import CodeType
from typing import Any, TypeVar

_OPERATORS: dict[type[ast.AST], tuple[type[ast.AST], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.And: (ast.Or,),
    ast.Or: (ast.And,),
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.FloorDiv,),
    ast.FloorDiv: (ast.Mult,),
    ast.Mod: (ast.FloorDiv,),
    ast.Pow: (ast.Mult,),
    ast.BitAnd: (ast.BitOr,),
    ast.BitOr: (ast.BitAnd,),
    ast.BitXor: (ast.BitAnd,),
    ast.LShift: (ast.RShift,),
    ast.RShift: (ast.LShift,),
    ast.Continue: (ast.Break,),
    ast.Break: (ast.Continue,),
}
_NAMES = {"min": "max", "max": "min", "any": "all", "all": "any"}
Node = TypeVar("Node", bound=ast.AST)


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change, told by the line it changes as it was and as it is.

    `function` is None outside of functions, and in those that functions make: they may have been made by now.
    """

    line: int
    function: str | None
    before: str
    after: str
    tree: ast.Module

    def compiled(self, file: str) -> CodeType:
        """Compile the module with this change."""
        return compile(ast.fix_missing_locations(self.tree), file, "exec")


def mutants(source: str) -> Iterator[Mutant]:
    """Make the mutants of a module one by one, always in the same order."""
    tree = ast.parse(source)
    known = set()
    for place in _places(tree, (), None, None):
        for changed in _changes(place.node):
            if place.function is None and isinstance(place.node, ast.Assign):
                continue  # a name that isn't there stops everything
            mutant = _mutant(tree, place, changed)
            same = (place.path[: place.statement], mutant.after)
            if mutant.after != mutant.before and same not in known:
                known.add(same)
                yield mutant


@dataclass(frozen=True, slots=True)
class _Place:
    """A node, how to get there from the module, and the statement and the function that it stands in."""

    node: ast.AST
    path: tuple[tuple[str, int | None], ...]
    statement: int  # how much of the path leads to the statement
    function: str | None


def _places(
    node: ast.AST, path: tuple[tuple[str, int | None], ...], scope: str | None, function: str | None, statement: int = 0
) -> Iterator[_Place]:
    for name, value in ast.iter_fields(node):
        for at, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if not isinstance(child, ast.AST) or _is_left_alone(node, name, at, child):
                continue
            here = (*path, (name, at))
            depth = len(here) if isinstance(child, ast.stmt | ast.excepthandler) else statement
            yield _Place(child, here, depth, function)
            inner, within = scope, None if isinstance(node, ast.FunctionDef) and name == "args" else function
            if isinstance(child, ast.FunctionDef | ast.ClassDef):
                inner = f"{scope}.{child.name}" if scope else child.name
                within = inner if isinstance(child, ast.FunctionDef) and not function else None
            for place in _places(child, here, inner, within, depth):
                if not (isinstance(child, ast.Raise) and _is_prose(place.node)):
                    yield place


def _is_prose(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value


def _is_left_alone(parent: ast.AST, name: str, at: int | None, child: ast.AST) -> bool:
    if name in ("annotation", "returns", "decorator_list", "ctx", "type_comment"):
        return True
    if isinstance(child, ast.Import | ast.ImportFrom):
        return True
    if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
        return True  # a docstring
    if isinstance(child, ast.Return) and isinstance(parent, ast.FunctionDef) and child is parent.body[-1]:
        return child.value is None or ast.unparse(child.value) == "None"  # what a function gives at its end anyway
    if isinstance(child, ast.AnnAssign) and ast.unparse(child.annotation).endswith("TypeAlias"):
        return True
    if isinstance(child, ast.Assign) and ((at is not None and _is_alias(child)) or _is_naming(child)):
        return True
    is_cast = isinstance(parent, ast.Call) and ast.unparse(parent.func) == "cast"
    return is_cast and name == "args" and at == 0


def _is_alias(node: ast.Assign) -> bool:
    """Tell whether this names a type, as `_Found = tuple[...]` does."""
    return isinstance(node.value, ast.Subscript | ast.BinOp) and ast.unparse(node.targets[0])[:2].strip("_").isupper()


def _is_naming(node: ast.Assign) -> bool:
    """Tell whether this only repeats names, for type checkers and those who import everything."""
    return ast.unparse(node.targets[0]) == "__all__" or ast.unparse(node.value).startswith("TypeVar(")


@singledispatch
def _changes(node: ast.AST) -> Iterator[ast.AST]:
    """Give what may stand in this node's place."""
    for other in _OPERATORS.get(type(node), ()):
        yield other()


@_changes.register
def _(node: ast.Constant) -> Iterator[ast.AST]:
    yield from map(ast.Constant, _constants(node.value))


@_changes.register
def _(node: ast.Name) -> Iterator[ast.AST]:
    if node.id in _NAMES:
        yield ast.Name(_NAMES[node.id], ast.Load())


@_changes.register
def _(node: ast.BoolOp) -> Iterator[ast.AST]:
    for left in _one_less(node.values):
        yield left[0] if len(left) == 1 else _with(node, values=left)


@_changes.register
def _(node: ast.UnaryOp) -> Iterator[ast.AST]:
    yield node.operand


@_changes.register(ast.If)
@_changes.register(ast.IfExp)
def _(node: ast.If | ast.IfExp) -> Iterator[ast.AST]:
    for value in (True, False):
        yield _with(node, test=ast.Constant(value))


@_changes.register
def _(node: ast.While) -> Iterator[ast.AST]:
    yield _with(node, test=ast.Constant(False))


@_changes.register
def _(node: ast.For) -> Iterator[ast.AST]:
    yield _with(node, iter=ast.Tuple([], ast.Load()))


@_changes.register
def _(node: ast.comprehension) -> Iterator[ast.AST]:
    for ifs in _one_less(node.ifs):
        yield _with(node, ifs=ifs)


@_changes.register
def _(node: ast.Call) -> Iterator[ast.AST]:
    for keywords in _one_less(node.keywords):
        yield _with(node, keywords=keywords)


@_changes.register
def _(node: ast.Slice) -> Iterator[ast.AST]:
    for bound, value in (("lower", node.lower), ("upper", node.upper)):
        if value is not None and not isinstance(value, ast.Constant):
            for operator in (ast.Add(), ast.Sub()):
                yield _with(node, **{bound: ast.BinOp(value, operator, ast.Constant(1))})


@_changes.register
def _(node: ast.ExceptHandler) -> Iterator[ast.AST]:
    if isinstance(node.type, ast.Tuple):
        for kinds in _one_less(node.type.elts):
            yield _with(node, type=ast.Tuple(kinds, ast.Load()))


@_changes.register(ast.Expr)
@_changes.register(ast.Raise)
@_changes.register(ast.Delete)
def _(_: ast.stmt) -> Iterator[ast.AST]:
    yield ast.Pass()


@_changes.register
def _(node: ast.Return) -> Iterator[ast.AST]:
    yield ast.Pass()
    if node.value is not None:
        yield ast.Return(ast.Constant(None))


@_changes.register
def _(node: ast.Assign) -> Iterator[ast.AST]:
    yield ast.Pass()
    yield _with(node, value=ast.Constant(None))


@_changes.register
def _(node: ast.AugAssign) -> Iterator[ast.AST]:
    yield ast.Pass()
    yield ast.Assign([node.target], node.value)


def _one_less(nodes: list[Node]) -> Iterator[list[Node]]:
    for at in range(len(nodes)):
        yield nodes[:at] + nodes[at + 1 :]


def _constants(value: Any) -> list[Any]:
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, value - 1]
    if isinstance(value, float):
        return [value * 2]
    if isinstance(value, str):
        return [value + "XX", ""] if value else ["XX"]
    if isinstance(value, bytes):
        return [value + b"XX", b""] if value else [b"XX"]
    return []


def _with(node: ast.AST, **fields: Any) -> ast.AST:
    changed = copy.copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed


def _mutant(tree: ast.Module, place: _Place, changed: ast.AST) -> Mutant:
    made = _rebuilt(tree, place.path, changed)
    assert isinstance(made, ast.Module)
    inside = place.path[: place.statement]
    before, after = _headline(_at(tree, inside)), _headline(_at(made, inside))
    return Mutant(_line(tree, place), place.function, before, after, made)


def _rebuilt(node: ast.AST, path: tuple[tuple[str, int | None], ...], changed: ast.AST) -> ast.AST:
    """Copy the nodes along the path, and put what is changed at its end; everything else is shared."""
    if not path:
        return ast.copy_location(changed, node) if hasattr(node, "lineno") else changed
    (name, at), *rest = path
    value = getattr(node, name)
    if at is None:
        return _with(node, **{name: _rebuilt(value, tuple(rest), changed)})
    return _with(node, **{name: [*value[:at], _rebuilt(value[at], tuple(rest), changed), *value[at + 1 :]]})


def _at(node: Any, path: tuple[tuple[str, int | None], ...]) -> Any:
    for name, at in path:
        node = getattr(node, name) if at is None else getattr(node, name)[at]
    return node


def _line(tree: ast.Module, place: _Place) -> int:
    for end in range(len(place.path), 0, -1):
        line = getattr(_at(tree, place.path[:end]), "lineno", None)
        if line is not None:
            return int(line)
    return 1


def _headline(node: Any) -> str:
    """Print a statement in one line, without the statements below it."""
    if hasattr(node, "body"):
        node = _with(node, body=[ast.Pass()])
        for name in ("orelse", "handlers", "finalbody"):
            if getattr(node, name, None):
                setattr(node, name, [])
        if isinstance(node, ast.Try):
            node.finalbody = [ast.Pass()]
    return " ".join(ast.unparse(ast.fix_missing_locations(copy.deepcopy(node))).removesuffix("pass").split())
