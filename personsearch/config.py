"""What all configurations share: frozen models that refuse unknown keys, and errors that suggest the right one."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from personsearch.errors import ConfigError


class StrictModel(BaseModel):
    """A frozen pydantic model that refuses unknown keys and converts nothing except int to float."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, validate_default=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _arrays_are_tuples(cls, data: Any) -> Any:
        # JSON and TOML have arrays only, which strict mode would refuse for tuple fields.
        if isinstance(data, dict):
            return {key: tuple(value) if isinstance(value, list) else value for key, value in data.items()}
        return data


Model = TypeVar("Model", bound=StrictModel)


def parse(model: type[Model], data: dict[str, Any], where: str) -> Model:
    """Return ``data`` as a validated configuration.

    Args:
        model: the configuration's class.
        data: keys and values as read from JSON or TOML.
        where: the source's name for errors, such as the file's path.

    Raises:
        ConfigError: one line for each wrong key: what is wrong, and for an unknown key the nearest valid one.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        problems = [f"{where}: {_explain(model, detail)}" for detail in error.errors()]
        raise ConfigError("\n".join(problems)) from None


def load_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        ConfigError: the file cannot be read, or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); give the path of a TOML file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None


def apply_overrides(data: dict[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """Return ``data`` with ``a.b=c`` overrides applied.

    Args:
        data: nested tables; not changed.
        overrides: each sets one key. ``c`` is read as a TOML value or, where it is not one, as text.

    Raises:
        ConfigError: an override has no ``=`` or no key, or a part of its key is a value rather than a table.
    """
    result = _copy(data)
    for override in overrides:
        key, sign, text = override.partition("=")
        *parents, last = (part.strip() for part in key.split("."))
        if not sign or not all((*parents, last)):
            raise ConfigError(f"override {override!r} must read like optimizer.lr=0.001")
        table = result
        for parent in parents:
            table = table.setdefault(parent, {})
            if not isinstance(table, dict):
                raise ConfigError(f"override {override!r}: {parent!r} is a value, not a table with keys of its own")
        table[last] = _toml_value(text.strip())
    return result


def merge(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return ``base`` with the keys of ``changes`` set, table by table. Neither argument is changed."""
    result = _copy(base)
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merge(result[key], value) if both else value
    return result


def _copy(data: dict[str, Any]) -> dict[str, Any]:
    return {key: _copy(value) if isinstance(value, dict) else value for key, value in data.items()}


def _toml_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _explain(model: type[BaseModel], detail: Any) -> str:
    path = [str(part) for part in detail["loc"]]
    name = ".".join(path)
    if detail["type"] != "extra_forbidden":
        message = detail["msg"].removeprefix("Value error, ")
        return f"{name}: {message}" if name else str(message)
    known = _fields_at(model, path[:-1])
    near = difflib.get_close_matches(path[-1], known, n=1, cutoff=0.5)
    if not near and not known:
        return f"unknown key {name!r}; remove it"
    hint = f"did you mean {near[0]!r}?" if near else f"valid keys are {', '.join(sorted(known))}"
    return f"unknown key {name!r}; {hint}"


def _fields_at(model: type[BaseModel], path: list[str]) -> list[str]:
    """Return the valid keys of a nested table; none where it is not a model of its own, as in a list."""
    for part in path:
        field = model.model_fields.get(part)
        # A table may be optional: Table | None.
        kinds = () if field is None else get_args(field.annotation) or (field.annotation,)
        inner = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)
        if inner is None:
            return []
        model = inner
    return list(model.model_fields)
