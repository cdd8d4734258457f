from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from personsearch.config import StrictModel, apply_overrides, load_toml, merge, parse
from personsearch.errors import ConfigError


class Optimizer(StrictModel):
    lr: float = Field(0.1, gt=0)
    milestones: tuple[int, ...] = ()


class Recipe(StrictModel):
    epochs: int
    optimizer: Optimizer = Optimizer()
    parts: tuple[Optimizer, ...] = ()


KEYS = st.text("abc", min_size=1, max_size=2)
TABLES = st.recursive(
    st.dictionaries(KEYS, st.integers(), max_size=3),
    lambda inner: st.dictionaries(KEYS, st.integers() | inner, max_size=3),
)


def test_arrays_become_tuples_and_integers_floats() -> None:
    recipe = parse(Recipe, {"epochs": 3, "optimizer": {"lr": 1, "milestones": [2, 4]}}, "recipe.toml")
    assert recipe == Recipe(epochs=3, optimizer=Optimizer(lr=1.0, milestones=(2, 4)))
    assert type(recipe.optimizer.lr) is float


def test_a_configuration_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Recipe(epochs=3).epochs = 4  # type: ignore[misc]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"epochs": 3, "optimiser": {}}, "recipe.toml: unknown key 'optimiser'; did you mean 'optimizer'?"),
        ({"epochs": 3, "xyz": 1}, "recipe.toml: unknown key 'xyz'; valid keys are epochs, optimizer, parts"),
        ({"epochs": 3, "optimizer": {"rl": 1}}, "recipe.toml: unknown key 'optimizer.rl'; did you mean 'lr'?"),
        ({"epochs": 3, "parts": [{"xyz": 1}]}, "recipe.toml: unknown key 'parts.0.xyz'; remove it"),
        ({"epochs": 3, "optimizer": {"lr": 0}}, "recipe.toml: optimizer.lr: Input should be greater than 0"),
        ({"epochs": "3"}, "recipe.toml: epochs: Input should be a valid integer"),
        ({"epochs": 3.0}, "recipe.toml: epochs: Input should be a valid integer"),
        ({}, "recipe.toml: epochs: Field required"),
    ],
)
def test_each_mistake_is_named(data: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse(Recipe, data, "recipe.toml")
    assert str(refused.value) == message


def test_all_mistakes_are_listed_at_once() -> None:
    with pytest.raises(ConfigError) as refused:
        parse(Recipe, {"epoch": 3, "optimizer": {"lr": -1}}, "recipe.toml")
    assert [line.split(";")[0] for line in str(refused.value).splitlines()] == [
        "recipe.toml: epochs: Field required",
        "recipe.toml: optimizer.lr: Input should be greater than 0",
        "recipe.toml: unknown key 'epoch'",
    ]


def test_a_toml_file(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text('epochs = 3\n[optimizer]\nlr = 0.5 # "ü"\n', encoding="utf-8")
    assert load_toml(path) == {"epochs": 3, "optimizer": {"lr": 0.5}}


def test_files_that_are_not_toml(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: cannot be read \(No such file.*give the path of a TOML file"):
        load_toml(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match=r"cannot be read \(Is a directory"):
        load_toml(tmp_path)
    for content in (b"epochs 3", b"\xff\xfe"):
        (tmp_path / "bad.toml").write_bytes(content)
        with pytest.raises(ConfigError, match=r"bad\.toml: not valid TOML: "):
            load_toml(tmp_path / "bad.toml")


def test_overrides_are_toml_values_or_text() -> None:
    data = {"run": {"out": "runs/a"}, "epochs": 3}
    overrides = [
        "epochs=5",
        "run.seed = 7",
        "run.out=runs/b",
        "new.table.flag=true",
        "sizes=[1, 2]",
        'name="a=b"',
        "text=a=b",
        "empty=",
    ]
    assert apply_overrides(data, overrides) == {
        "run": {"out": "runs/b", "seed": 7},
        "epochs": 5,
        "new": {"table": {"flag": True}},
        "sizes": [1, 2],
        "name": "a=b",
        "text": "a=b",
        "empty": "",
    }
    assert data == {"run": {"out": "runs/a"}, "epochs": 3}


@pytest.mark.parametrize("override", ["epochs", "=3", " = 3", ".lr=3", "optimizer.=3", "a..b=3", ""])
def test_overrides_without_a_key_or_value(override: str) -> None:
    with pytest.raises(ConfigError, match=r"must read like optimizer\.lr=0\.001"):
        apply_overrides({}, [override])


def test_an_override_cannot_go_through_a_value() -> None:
    with pytest.raises(ConfigError, match=r"override 'epochs\.first=1': 'epochs' is a value, not a table"):
        apply_overrides({"epochs": 3}, ["epochs.first=1"])


def test_merging_by_hand() -> None:
    base = {"a": {"x": 1, "y": 2}, "b": 3, "c": {"z": 4}}
    changes = {"a": {"y": 5}, "b": {"new": 6}, "c": 7}
    assert merge(base, changes) == {"a": {"x": 1, "y": 5}, "b": {"new": 6}, "c": 7}


@given(TABLES, TABLES)
def test_merging_keeps_all_keys_and_changes_win(base: dict[str, object], changes: dict[str, object]) -> None:
    merged = merge(base, changes)
    assert set(merged) == set(base) | set(changes)
    assert merge(merged, changes) == merged
    assert merge(base, {}) == merge({}, base) == base


@given(TABLES)
def test_overrides_leave_their_input_as_it_was(data: dict[str, object]) -> None:
    before = repr(data)
    apply_overrides(data, ["new.key=1", "other=2"])
    assert repr(data) == before
