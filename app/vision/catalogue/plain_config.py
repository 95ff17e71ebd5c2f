"""Whether an MMDetection config is made of values alone, found out without running it.

A config is Python and runs when it is read. One that a training wrote holds values alone, so a model folder of somebody
else can be refused where it holds more. What such values can name is what MMDetection's registries know.
"""

import ast
from pathlib import Path

# What values are made of. Names are those of values above; `dict(...)`, also of `**name`, is the only call.
_VALUES = (
    ast.Constant,
    ast.Dict,
    ast.List,
    ast.Tuple,
    ast.Name,
    ast.Load,
    ast.Store,
    ast.UnaryOp,
    ast.USub,
    ast.UAdd,
    ast.keyword,
)
# Names that make mmcv import or read other files.
_REFUSED = ("custom_imports", "_base_")
# The modules that our own configs import, and with them those that training writes: they register parts of networks.
_OURS = frozenset(
    {
        "app.vision.analyses.objects.backbones.efficientnet_lite",
        "app.vision.analyses.objects.torchvision_anchors",
        "app.vision.backbones.efficientnet_lite",
    }
)


class NotPlain(ValueError):
    """A config that does more than name values; the message says what."""


def check_plain(config: Path) -> None:
    """Raises NotPlain unless a config is made of values, and imports modules of ours alone. Nothing of it is run."""
    try:
        tree = ast.parse(config.read_text("utf-8"))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise NotPlain("it is not Python") from error
    for statement in tree.body:
        if not isinstance(statement, ast.Assign) or not all(isinstance(name, ast.Name) for name in statement.targets):
            raise NotPlain(f"line {statement.lineno} is no assignment")
        if _imports_ours(statement):
            continue
        for target in statement.targets:
            _check(target)
        _check(statement.value)


def _imports_ours(statement: ast.Assign) -> bool:
    """Whether a statement is `custom_imports = dict(imports=[...], allow_failed_imports=...)` of modules of ours."""
    match statement:
        case ast.Assign(
            targets=[ast.Name("custom_imports")],
            value=ast.Call(
                func=ast.Name("dict"),
                args=[],
                keywords=[
                    ast.keyword("imports", ast.List(modules)),
                    ast.keyword("allow_failed_imports", ast.Constant(bool())),
                ],
            ),
        ):
            return all(isinstance(module, ast.Constant) and module.value in _OURS for module in modules)
    return False


def _check(node: ast.AST) -> None:
    for part in ast.walk(node):
        if isinstance(part, ast.Call):
            if not isinstance(part.func, ast.Name) or part.func.id != "dict":
                raise NotPlain(f"line {part.lineno} calls something")
            unnamed = [keyword.value for keyword in part.keywords if keyword.arg is None]
            if part.args or not all(isinstance(value, ast.Name) for value in unnamed):
                raise NotPlain(f"line {part.lineno} calls dict with more than named values")
        elif not isinstance(part, _VALUES):
            raise NotPlain(f"line {getattr(part, 'lineno', '?')} computes something")
        names = [part.id] if isinstance(part, ast.Name) else []
        names += [part.arg] if isinstance(part, ast.keyword) and part.arg else []
        names += [part.value] if isinstance(part, ast.Constant) and isinstance(part.value, str) else []
        for name in names:
            if name in _REFUSED:
                raise NotPlain(f"it has {name}")
