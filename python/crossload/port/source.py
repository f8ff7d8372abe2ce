"""Python source as the tree that the engine's translator reads: a node is a list-free dict, comments are statements.

A node: {"k": kind, "t": text, "c": [children], "line": n, "id": n}. Only expressions that are observed have an id. The
kinds and their children stand in src/port/README.md.
"""

import ast
import io
import tokenize

# Expressions whose values are looked at while the class runs.
OBSERVED = (ast.Name, ast.Attribute, ast.Call, ast.Subscript, ast.BinOp, ast.IfExp, ast.Compare, ast.UnaryOp)
BINARY = {
    "Add": "+", "Sub": "-", "Mult": "*", "Div": "/", "FloorDiv": "//", "Mod": "%", "Pow": "**", "MatMult": "@",
    "BitAnd": "&", "BitOr": "|", "BitXor": "^", "LShift": "<<", "RShift": ">>",
}  # fmt: skip
COMPARE = {
    "Eq": "==", "NotEq": "!=", "Lt": "<", "LtE": "<=", "Gt": ">", "GtE": ">=", "Is": "is", "IsNot": "is not",
    "In": "in", "NotIn": "not in",
}  # fmt: skip
UNARY = {"USub": "-", "UAdd": "+", "Not": "not ", "Invert": "~"}


class Reader:
    """Reads one file. After `read`, `ids` maps each observed ast node to its number."""

    def __init__(self, text):
        self.text = text
        self.tree = ast.parse(text)
        self.ids = {}
        self.observes = True
        self.blocks = {}  # (first line, column) of a block: its node, to be told whether a probe reached it
        self.carried = set()  # lines of comments that stand in the tree already
        self.lines = text.splitlines()
        self.comments = {}  # line: (column, text, alone)
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                alone = not token.line[: token.start[1]].strip()
                self.comments[token.start[0]] = (token.start[1], token.string, alone)

    def read(self):
        return node("Module", "", self.block(self.tree.body, 1, len(self.text.splitlines()) + 1, 0))

    # Statements -------------------------------------------------------------------------------------------------------

    def block(self, statements, first, last, column):
        """Statements with the comments that stand alone between lines `first` and `last` at this depth."""
        result = []
        at = first
        for statement in statements:
            start = min([statement.lineno] + [d.lineno for d in getattr(statement, "decorator_list", [])])
            result += self.comments_alone(at, start, column)
            if start > 1 and not self.lines[start - 2].strip() and result:
                result.append(node("Space", "", []))
            result.append(self.statement(statement))
            at = statement.end_lineno + 1
        result += self.comments_alone(at, last, column)
        return result

    def comments_alone(self, first, last, column):
        found = []
        for line in range(first, last):
            comment = self.comments.get(line)
            if comment and comment[2] and comment[0] >= column and line not in self.carried:
                if line > 1 and not self.lines[line - 2].strip():
                    found.append(node("Space", "", []))
                found.append(node("Comment", comment[1], [], line))
                self.carried.add(line)
        return found

    def body(self, statements, before):
        first = max(before + 1, 1)
        last = statements[-1].end_lineno + 1
        made = node("Block", "", self.block(statements, first, last, statements[0].col_offset))
        self.blocks[statements[0]] = made
        return made

    def statement(self, s):
        made = self.bare_statement(s)
        made["line"] = s.lineno
        if not isinstance(s, (ast.FunctionDef, ast.ClassDef, ast.If, ast.For, ast.While, ast.With, ast.Try)):
            comment = self.comments.get(s.end_lineno)
            if comment and not comment[2] and comment[0] >= s.end_col_offset:
                made["comment"] = comment[1]
        else:
            last = {ast.If: "test", ast.While: "test", ast.For: "iter"}.get(type(s))
            comment = self.comments.get(getattr(s, last).end_lineno) if last else None
            if comment and not comment[2]:
                made["comment"] = comment[1]
        return made

    def bare_statement(self, s):
        kind = type(s).__name__
        if isinstance(s, ast.FunctionDef):
            decorators = [self.plain(d) for d in s.decorator_list]
            returns = self.plain(s.returns) if s.returns else empty()
            body = self.body(s.body, header_end(s))
            return node("Def", s.name, [node("Decorators", "", decorators), self.parameters(s.args), returns, body])
        if isinstance(s, ast.ClassDef):
            decorators = [self.plain(d) for d in s.decorator_list]
            bases = [self.plain(b) for b in s.bases] + [
                node("Keyword", k.arg, [self.plain(k.value)]) for k in s.keywords
            ]
            body = self.body(s.body, header_end(s))
            return node("Class", s.name, [node("Decorators", "", decorators), node("Bases", "", bases), body])
        if isinstance(s, ast.If):
            children = [self.expression(s.test), self.body(s.body, s.test.end_lineno)]
            if s.orelse:
                children.append(self.body(s.orelse, s.body[-1].end_lineno))
                elif_line = s.orelse[0]
                if isinstance(elif_line, ast.If) and elif_line.col_offset == s.col_offset:
                    children[-1]["t"] = "elif"
            return node("If", "", children)
        if isinstance(s, ast.For):
            children = [self.expression(s.target), self.expression(s.iter), self.body(s.body, s.iter.end_lineno)]
            if s.orelse:
                children.append(self.body(s.orelse, s.body[-1].end_lineno))
            return node("For", "", children)
        if isinstance(s, ast.While):
            return node("While", "", [self.expression(s.test), self.body(s.body, s.test.end_lineno)])
        if isinstance(s, ast.With):
            items = []
            for item in s.items:
                items.append(self.expression(item.context_expr))
                items.append(self.expression(item.optional_vars) if item.optional_vars else empty())
            return node("With", "", [node("Items", "", items), self.body(s.body, s.items[-1].context_expr.end_lineno)])
        if isinstance(s, ast.Assign):
            return node("Assign", "", [self.expression(t) for t in s.targets] + [self.expression(s.value)])
        if isinstance(s, ast.AugAssign):
            return node("AugAssign", BINARY[type(s.op).__name__], [self.expression(s.target), self.expression(s.value)])
        if isinstance(s, ast.AnnAssign):
            value = self.expression(s.value) if s.value else empty()
            return node("AnnAssign", "", [self.expression(s.target), self.plain(s.annotation), value])
        if isinstance(s, ast.Return):
            return node("Return", "", [self.expression(s.value)] if s.value else [])
        if isinstance(s, ast.Expr):
            return node("Expr", "", [self.expression(s.value)])
        if isinstance(s, ast.Raise):
            return node("Raise", "", [self.plain(s.exc)] if s.exc else [])
        if isinstance(s, ast.Assert):
            return node("Assert", "", [self.expression(s.test)] + ([self.plain(s.msg)] if s.msg else []))
        if isinstance(s, (ast.Import, ast.ImportFrom)):
            names = [node("Alias", a.name, [], asname=a.asname or "") for a in s.names]
            module = "." * getattr(s, "level", 0) + (getattr(s, "module", None) or "")
            return node("From" if isinstance(s, ast.ImportFrom) else "Import", module, names)
        if isinstance(s, (ast.Pass, ast.Break, ast.Continue)):
            return node(kind, "", [])
        return node("Other", kind, [], raw=ast.get_source_segment(self.text, s))

    def parameters(self, args):
        made = []
        plain = args.posonlyargs + args.args
        defaults = [None] * (len(plain) - len(args.defaults)) + list(args.defaults)
        for arg, default in zip(plain, defaults, strict=True):
            made.append(self.parameter("Param", arg, default))
        if args.vararg:
            made.append(self.parameter("VarParam", args.vararg, None))
        elif args.kwonlyargs:
            made.append(node("Star", "", []))
        for arg, default in zip(args.kwonlyargs, args.kw_defaults, strict=True):
            made.append(self.parameter("Param", arg, default))
        if args.kwarg:
            made.append(self.parameter("KwParam", args.kwarg, None))
        return node("Params", "", made)

    def parameter(self, kind, arg, default):
        annotation = self.plain(arg.annotation) if arg.annotation else empty()
        return node(kind, arg.arg, [annotation, self.plain(default) if default is not None else empty()])

    # Expressions ------------------------------------------------------------------------------------------------------

    def plain(self, e):
        """An expression that is not observed."""
        before, self.observes = self.observes, False
        made = self.expression(e)
        self.observes = before
        return made

    def expression(self, e):
        made = self.bare_expression(e)
        made["line"] = e.lineno
        if isinstance(e, OBSERVED) and isinstance(getattr(e, "ctx", ast.Load()), ast.Load):
            if self.observes:
                self.ids[e] = made["id"] = len(self.ids) + 1
        return made

    def bare_expression(self, e):
        go = self.expression
        if isinstance(e, ast.Name):
            return node("Name", e.id, [])
        if isinstance(e, ast.Attribute):
            return node("Attr", e.attr, [go(e.value)])
        if isinstance(e, ast.Call):
            children = [go(e.func)] + [go(a) for a in e.args]
            children += [node("Keyword", k.arg or "", [go(k.value)]) for k in e.keywords]
            return node("Call", "", children)
        if isinstance(e, ast.Starred):
            return node("Starred", "", [go(e.value)])
        if isinstance(e, ast.Subscript):
            return node("Sub", "", [go(e.value), go(e.slice)])
        if isinstance(e, ast.Slice):
            return node("Slice", "", [go(p) if p else empty() for p in (e.lower, e.upper, e.step)])
        if isinstance(e, (ast.Tuple, ast.List, ast.Set)):
            return node(type(e).__name__, "", [go(x) for x in e.elts])
        if isinstance(e, ast.Dict):
            flat = []
            for key, value in zip(e.keys, e.values, strict=True):
                flat += [go(key) if key else empty(), go(value)]
            return node("Dict", "", flat)
        if isinstance(e, ast.BinOp):
            return node("Bin", BINARY[type(e.op).__name__], [go(e.left), go(e.right)])
        if isinstance(e, ast.UnaryOp):
            return node("Unary", UNARY[type(e.op).__name__], [go(e.operand)])
        if isinstance(e, ast.BoolOp):
            return node("Bool", "and" if isinstance(e.op, ast.And) else "or", [go(v) for v in e.values])
        if isinstance(e, ast.Compare):
            ops = "|".join(COMPARE[type(o).__name__] for o in e.ops)
            return node("Compare", ops, [go(e.left)] + [go(c) for c in e.comparators])
        if isinstance(e, ast.IfExp):
            return node("IfExp", "", [go(e.test), go(e.body), go(e.orelse)])
        if isinstance(e, (ast.ListComp, ast.GeneratorExp, ast.SetComp)) and len(e.generators) == 1:
            g = e.generators[0]
            return node(type(e).__name__, "", [go(e.elt), go(g.target), go(g.iter)] + [go(i) for i in g.ifs])
        if isinstance(e, (ast.Constant, ast.JoinedStr)):
            pieces = string_pieces(ast.get_source_segment(self.text, e))
            if len(pieces) > 1:
                return node("Concat", "", [node("Str", piece, []) for piece in pieces])
        if isinstance(e, ast.Constant) and not isinstance(e.value, str):
            return node("Const", ast.get_source_segment(self.text, e), [])
        if isinstance(e, ast.Constant):
            return node("Str", ast.get_source_segment(self.text, e), [], value=e.value)
        # f-strings and everything else are kept as source text.
        return node("Raw", ast.get_source_segment(self.text, e), [], what=type(e).__name__)


def string_pieces(text):
    """The literals of an implicit concatenation."""
    if "\n" not in text and text.count('"') + text.count("'") < 4:
        return [text]
    tokens = tokenize.generate_tokens(io.StringIO(f"({text})").readline)
    return [token.string for token in tokens if token.type == tokenize.STRING]


def node(kind, text, children, line=0, **more):
    return {"k": kind, "t": text, "c": children, "line": line, **more}


def empty():
    return node("Empty", "", [])


def header_end(s):
    """The line on which the header of a class or function ends."""
    ends = [s.lineno]
    if isinstance(s, ast.ClassDef):
        ends += [b.end_lineno for b in s.bases]
    else:
        a = s.args
        ends += [x.end_lineno for x in a.args + a.kwonlyargs + a.posonlyargs + [a.vararg, a.kwarg] if x]
        ends += [d.end_lineno for d in a.defaults]
        ends += [s.returns.end_lineno] if s.returns else []
    return max(ends)
