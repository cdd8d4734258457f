from pathlib import Path

import pytest

from personsearch.errors import ConfigError
from personsearch.train import load_finetune, load_pretrain, recipe_names


def test_recipes_of_the_package() -> None:
    assert {"small-pretrain", "small-finetune"} <= set(recipe_names())


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("optimizer.learning_rate=1", "unknown key 'optimizer.learning_rate'"),
        ("optimiser.lr=1", "unknown key 'optimiser'; did you mean 'optimizer'"),
        ("batch_size=many", "batch_size"),
        ("batch_size", "must read like optimizer.lr=0.001"),
        ("run.out.deeper=1", "is a value, not a table"),
        ("model.preset=huge", "none of stl-mrfp-r50, stl-mrfp-small"),
        ("augment.zoom_share=0", "nothing would be zoomed"),
    ],
)
def test_mistakes_in_overrides_are_named(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_finetune("small-finetune", [override])


def test_a_missing_file_and_broken_toml(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_pretrain(tmp_path / "none.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("[run")
    with pytest.raises(ConfigError, match="not valid TOML"):
        load_pretrain(broken)
