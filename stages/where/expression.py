"""Expressions over the columns of documents: `language_score > 0.8 and metadata.stars >= 3 and len(text) < 1e6`.

The syntax is Python's, which `ast` parses; nothing is evaluated as Python. What it may contain:

    columns      language_score, quality_v1.words, fields of structs and of JSON: metadata.stars
    constants    1, 0.5, 1e6, "text", True, None, (1, 2, 3)
    operators    and, or, not; <, <=, ==, !=, >=, > (also chained); in, not in; is None, is not None; +, -, *, /
    functions    len(text or list), lower(text), startswith(text, "…"), endswith, contains, matches(text, "RE2 pattern")

A comparison with null is null, `and`, `or` and `not` follow SQL, and null at the end does not hold.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from functools import reduce
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from stages.errors import WrongUse, nearest
from stages.where.values import Kind, Mismatch, Value, column, constant, shared_kinds

LONGEST = 4_000  # characters: deeper nesting than that could end Python's parser
Node = Callable[[pa.Table], Value]

_COMPARED = {
    ast.Lt: pc.less, ast.LtE: pc.less_equal, ast.Gt: pc.greater, ast.GtE: pc.greater_equal,
    ast.Eq: pc.equal, ast.NotEq: pc.not_equal,
}  # fmt: skip
_CALCULATED = {ast.Add: pc.add, ast.Sub: pc.subtract, ast.Mult: pc.multiply, ast.Div: pc.divide}
_ON_TEXT = {
    "startswith": pc.starts_with,
    "endswith": pc.ends_with,
    "contains": pc.match_substring,
    "matches": pc.match_substring_regex,
}
_FUNCTIONS = ("len", "lower", *_ON_TEXT)


class Expression:
    """A condition. Raises ValueError, with the place, for what is not one."""

    def __init__(self, text: str) -> None:
        if len(text) > LONGEST:
            raise ValueError(f"an expression of {len(text)} characters; at most {LONGEST}")
        self.text = text
        try:
            self._node = _compiled(ast.parse(text.strip(), mode="eval").body)
        except SyntaxError as error:
            place = f", character {error.offset}" if error.offset else ""
            raise ValueError(f"not an expression: {text!r} ({error.msg}{place})") from None
        except Mismatch as error:
            raise ValueError(f"in {text!r}: {error}") from None
        except (RecursionError, MemoryError):
            raise ValueError(f"nested too deeply: {text[:80]!r}") from None

    def holds(self, docs: pa.Table) -> pa.Array:
        """For each row whether the condition holds (bool, never null). Raises WrongUse for a column that is missing
        or of a kind that the expression cannot use.
        """
        try:
            found = self._node(docs).as_kind("truth")
        except Mismatch as error:
            raise WrongUse(f"where_v1, in {self.text!r}: {error}") from None
        if isinstance(found, pa.Scalar):
            found = pa.array([found.as_py()] * docs.num_rows, pa.bool_())
        found = pc.fill_null(found, False)
        return found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found


def _compiled(node: ast.expr) -> Node:
    for kind, compiled in _NODES.items():
        if isinstance(node, kind):
            return compiled(node)
    raise Mismatch(f"{ast.unparse(node)} is not allowed in an expression")


def _constant(node: ast.Constant) -> Node:
    value = constant(node.value)
    return lambda docs: value


def _name(node: ast.Name | ast.Attribute) -> Node:
    parts: list[str] = []
    at: ast.expr = node
    while isinstance(at, ast.Attribute):
        parts.insert(0, at.attr)
        at = at.value
    if not isinstance(at, ast.Name):
        raise Mismatch(f"{ast.unparse(node)} is not a column")
    parts.insert(0, at.id)
    return lambda docs: _looked_up(docs, parts)


def _looked_up(docs: pa.Table, parts: list[str]) -> Value:
    """The column with the longest name that begins the path, and in it the rest of the path."""
    for size in range(len(parts), 0, -1):
        name = ".".join(parts[:size])
        if name in docs.column_names:
            try:
                return _within(docs.column(name), parts[size:])
            except Mismatch as error:
                raise Mismatch(f"{'.'.join(parts)}: {error}") from None
    raise Mismatch(f"there is no column {'.'.join(parts)}: {nearest(parts[0], docs.column_names)}")


def _within(values: pa.ChunkedArray, path: list[str]) -> Value:
    while path and pa.types.is_struct(values.type):
        fields = [values.type.field(at).name for at in range(values.type.num_fields)]
        if path[0] not in fields:
            raise Mismatch(f"there is no field {path[0]}: {nearest(path[0], fields)}")
        values, path = pc.struct_field(values, path[0]), path[1:]
    if not path:
        return column(values)
    if column(values).kind not in ("text", "null"):
        raise Mismatch(f"it has no fields, for it is of the type {values.type}")
    return Value("any", [_in_json(text, path) for text in values.to_pylist()])


def _in_json(text: str | None, path: list[str]) -> object:
    """What stands at the path of a JSON object; None if there is nothing, or no JSON."""
    try:
        value = None if text is None else json.loads(text)
    except (ValueError, RecursionError):
        return None
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _boolean(node: ast.BoolOp) -> Node:
    parts = [_compiled(part) for part in node.values]
    join = pc.and_kleene if isinstance(node.op, ast.And) else pc.or_kleene
    return lambda docs: Value("truth", reduce(join, (part(docs).as_kind("truth") for part in parts)))


def _unary(node: ast.UnaryOp) -> Node:
    inner = _compiled(node.operand)
    if isinstance(node.op, ast.Not):
        return lambda docs: Value("truth", pc.invert(inner(docs).as_kind("truth")))
    if isinstance(node.op, ast.USub):
        return lambda docs: Value("number", pc.negate(inner(docs).as_kind("number")))
    raise Mismatch(f"{ast.unparse(node)} is not allowed in an expression")


def _calculation(node: ast.BinOp) -> Node:
    operate = _CALCULATED.get(type(node.op))
    if operate is None:
        raise Mismatch(f"{ast.unparse(node)}: only +, -, * and / are known")
    left, right = _compiled(node.left), _compiled(node.right)

    def calculated(docs: pa.Table) -> Value:
        # As floating point: whole numbers would overflow, and raise at a division by zero.
        sides = [pc.cast(side(docs).as_kind("number"), pa.float64(), safe=False) for side in (left, right)]
        return Value("number", operate(*sides))

    return calculated


def _comparison(node: ast.Compare) -> Node:
    links, left = [], node.left
    for op, right in zip(node.ops, node.comparators, strict=True):
        links.append(_link(op, left, right))
        left = right
    return lambda docs: Value("truth", reduce(pc.and_kleene, (link(docs) for link in links)))


def _link(op: ast.cmpop, left: ast.expr, right: ast.expr) -> Callable[[pa.Table], Any]:
    """One comparison of a chain."""
    if isinstance(op, ast.Is | ast.IsNot):
        return _null_test(left, right, isinstance(op, ast.Is))
    if isinstance(op, ast.In | ast.NotIn):
        return _membership(left, right, isinstance(op, ast.In))
    one, other, compare = _compiled(left), _compiled(right), _COMPARED[type(op)]

    def compared(docs: pa.Table) -> Any:
        a, b = one(docs), other(docs)
        return reduce(pc.coalesce, [_compared(compare, a, b, kind) for kind in shared_kinds(a, b)])

    return compared


def _compared(compare: Callable[[Any, Any], Any], one: Value, other: Value, kind: Kind) -> Any:
    a, b = one.as_kind(kind), other.as_kind(kind)
    if kind == "number" and a.type != b.type:
        a, b = (pc.cast(side, pa.float64(), safe=False) for side in (a, b))
    return compare(a, b)


def _null_test(left: ast.expr, right: ast.expr, wanted: bool) -> Callable[[pa.Table], Any]:
    if not (isinstance(right, ast.Constant) and right.value is None):
        raise Mismatch("`is` is for None; compare with ==")
    inner = _compiled(left)

    def tested(docs: pa.Table) -> Any:
        value = inner(docs)
        data = pa.array([item is None for item in value.data]) if value.kind == "any" else pc.is_null(value.data)
        return data if wanted else pc.invert(data)

    return tested


def _membership(left: ast.expr, right: ast.expr, wanted: bool) -> Callable[[pa.Table], Any]:
    if not isinstance(right, ast.Tuple | ast.List | ast.Set):
        raise Mismatch(f"{ast.unparse(right)}: `in` needs a list of constants; for parts of a text: contains(a, b)")
    try:
        members = [ast.literal_eval(item) for item in right.elts]
    except ValueError:
        raise Mismatch(f"{ast.unparse(right)} has to be a list of constants") from None
    kinds = {constant(member).kind for member in members}
    if None in members or len(kinds) != 1:
        raise Mismatch(f"{ast.unparse(right)} has to be constants of one kind")
    inner, kind = _compiled(left), kinds.pop()

    def tested(docs: pa.Table) -> Any:
        data = inner(docs).as_kind(kind)
        if kind == "number":
            data = pc.cast(data, pa.float64(), safe=False)
        found = pc.is_in(data, value_set=pa.array(members, data.type))
        found = pc.if_else(pc.is_valid(data), found, pa.scalar(None, pa.bool_()))
        return found if wanted else pc.invert(found)

    return tested


def _call(node: ast.Call) -> Node:
    name = node.func.id if isinstance(node.func, ast.Name) else ast.unparse(node.func)
    if name not in _FUNCTIONS or node.keywords:
        raise Mismatch(f"{name}(…) is not a function here: {nearest(name, list(_FUNCTIONS))}")
    if len(node.args) != (2 if name in _ON_TEXT else 1):
        raise Mismatch(f"{ast.unparse(node)}: {name} takes {2 if name in _ON_TEXT else 1} arguments")
    inner = _compiled(node.args[0])
    if name in _ON_TEXT:
        return _text_test(name, inner, node.args[1])
    if name == "lower":
        return lambda docs: Value("text", pc.utf8_lower(inner(docs).as_kind("text")))
    return lambda docs: _length(inner(docs))


def _length(value: Value) -> Value:
    if value.kind == "list":
        return Value("number", pc.list_value_length(value.data))
    return Value("number", pc.utf8_length(value.as_kind("text")))


def _text_test(name: str, inner: Node, second: ast.expr) -> Node:
    if not (isinstance(second, ast.Constant) and isinstance(second.value, str)):
        raise Mismatch(f"{name}: the second argument has to be a text in quotes")
    try:
        _ON_TEXT[name](pa.array([""]), second.value)  # a pattern that RE2 refuses is refused at once
    except pa.ArrowInvalid as error:
        raise Mismatch(f"{name}: {error}") from None
    return lambda docs: Value("truth", _ON_TEXT[name](inner(docs).as_kind("text"), second.value))


_NODES: dict[type[ast.expr], Callable[[Any], Node]] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.Attribute: _name,
    ast.BoolOp: _boolean,
    ast.UnaryOp: _unary,
    ast.BinOp: _calculation,
    ast.Compare: _comparison,
    ast.Call: _call,
}
