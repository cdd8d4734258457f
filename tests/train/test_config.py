from pathlib import Path

import pytest
from pydantic import ValidationError

import personsearch.train
from personsearch.config import parse
from personsearch.errors import ConfigError
from personsearch.train import describe_recipes, load_finetune, load_pretrain, recipe_names
from personsearch.train.config import FinetuneConfig, PretrainConfig, SetConfig
from personsearch.train.schedule import learning_rate_factor
from tests.train.runs import finetune_config, pretrain_config


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("optimizer.learning_rate=1", "unknown key 'optimizer.learning_rate'"),
        ("optimiser.lr=1", "unknown key 'optimiser'; did you mean 'optimizer'"),
        ("binet_like.feature=1", "unknown key 'binet_like.feature'; did you mean 'features'"),
        ("batch_size=many", "batch_size"),
        ("batch_size", "must read like optimizer.lr=0.001"),
        ("run.out.deeper=1", "is a value, not a table"),
        ("model.preset=huge", "'huge' is unknown; choose from stl-mrfp-r50, stl-mrfp-small"),
        ("augment.zoom_share=0", "nothing would be zoomed"),
        ("augment.zoom_share=1.5", "augment.zoom_share"),
        ("augment={zoom=2.0, zoom_share=0.8, crop=2.0}", "zoom_share \\+ augment.crop_share exceed 1"),
        ('data.sets=[{annotations="a.json", weights=2}]', "unknown key 'data.sets.0.weights'"),
        ('data.sets=[{annotations="a.json", weight=0}]', "data.sets.0.weight"),
        ("data.sets=[]", r"name what to train on: annotations, or several sets as \[\[data.sets\]\]"),
    ],
)
def test_mistakes_in_overrides_are_named(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_finetune("synth-finetune", [override])


def test_one_set_or_several(tmp_path: Path) -> None:
    config = load_finetune("own-finetune", ['data.sets=[{annotations="a.json", weight=2.0}, {annotations="b"}]'])
    assert config.data.annotations is None  # the override replaces the recipe's own set
    assert [(one.annotations, one.weight) for one in config.data.all_sets] == [("a.json", 2.0), ("b", 1.0)]
    assert parse(FinetuneConfig, config.model_dump(mode="json"), "recipe.json") == config
    recipe = tmp_path / "several.toml"
    plain = (Path(personsearch.train.__file__).parent / "recipes" / "own-finetune.toml").read_text()
    line = next(line for line in plain.splitlines() if line.startswith("annotations"))
    recipe.write_text(plain.replace(line, "").replace("[data]", '[[data.sets]]\nannotations = "a"\nweight = 0.5'))
    assert load_finetune(recipe).data.sets == (SetConfig(annotations="a", weight=0.5),)
    one = load_finetune(recipe, ["data.annotations=mine.json", "data.holdout_places=['yard']"]).data
    assert one.all_sets == (SetConfig(annotations="mine.json", holdout_places=("yard",)),)
    with pytest.raises(ConfigError, match="annotations and sets exclude each other"):
        load_finetune(recipe, ["data.annotations=mine.json", 'data.sets=[{annotations="a"}]'])
    with pytest.raises(ConfigError, match="images belongs to one set; move it into the"):
        load_finetune(recipe, ["data.images=pictures"])


def test_a_missing_file_and_broken_toml(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_pretrain(tmp_path / "none.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("[run")
    with pytest.raises(ConfigError, match="not valid TOML"):
        load_pretrain(broken)


def test_frozen_statistics_need_weights_that_bring_them(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="name the weights: init"):
        finetune_config(tmp_path, tmp_path, freeze_bn=True)


def test_a_batch_must_divide_into_the_parts_of_all_processes(tmp_path: Path) -> None:
    scenes = finetune_config(tmp_path, tmp_path, batch_size=12, steps={"accumulate": 3})
    assert scenes.batch_units == ("batch_size", 12)
    scenes.check_shares(4)
    message = r"batch_size=12 .* does not divide into 5 processes x steps\.accumulate=3; choose a multiple of 15"
    with pytest.raises(ConfigError, match=message):
        scenes.check_shares(5)


def test_a_part_of_step_one_holds_whole_identities_and_two_with_the_triplet_loss(tmp_path: Path) -> None:
    crops = pretrain_config(tmp_path, tmp_path, num_identities=4)
    assert crops.batch_units == ("num_identities", 4)
    assert crops.batch_size == 8
    crops.check_shares(2)
    with pytest.raises(ConfigError, match=r"num_identities=4 .* does not divide into 3 processes"):
        crops.check_shares(3)
    with pytest.raises(ConfigError, match="num_identities=4 leaves one identity to each of 4 parts"):
        crops.check_shares(4)
    pretrain_config(tmp_path, tmp_path, num_identities=4, losses={"triplet": False}).check_shares(4)


def test_batches_of_neighbours_need_the_triplet_loss() -> None:
    assert load_pretrain("prw-pretrain").sampling == "class_aware"
    assert load_pretrain("prw-pretrain", ["sampling=neighbours"]).sampling == "neighbours"
    with pytest.raises(ConfigError, match="sampling='neighbours' would change nothing"):
        load_pretrain("prw-pretrain", ["sampling=neighbours", "losses.triplet=false"])
    with pytest.raises(ConfigError, match="sampling"):
        load_pretrain("prw-pretrain", ["sampling=nearest"])


def test_every_recipe_of_the_package_loads_and_says_what_it_is_for() -> None:
    recipes = describe_recipes()
    assert list(recipes) == recipe_names()
    papers = {"prw-pretrain", "prw-finetune", "cuhk-sysu-pretrain", "cuhk-sysu-finetune"}
    assert set(recipes) >= papers | {"own-finetune", "synth-pretrain", "synth-finetune"}
    for name, (step, text) in recipes.items():
        config: PretrainConfig | FinetuneConfig = load_pretrain(name) if step == "pretrain" else load_finetune(name)
        assert config.step_of_stl == step
        assert config.schedule.epochs > 1
        assert len(text) > 20


@pytest.mark.parametrize("name", recipe_names())
def test_recipes_name_no_path_outside_the_working_folder(name: str) -> None:
    config = load_pretrain(name) if name.endswith("pretrain") else load_finetune(name)
    named = [path for one in config.data.all_sets for path in (one.annotations, one.images or "")]
    for path in (*named, config.run.out, config.init or ""):
        assert not Path(path).is_absolute()
        assert ".." not in Path(path).parts
    # A folder of weights is written so that it cannot be taken for a name.
    assert config.init is None or config.init.startswith("./") or "/" not in config.init


def test_step_two_starts_where_step_one_of_the_same_name_ends() -> None:
    for name in ("synth", "prw", "cuhk-sysu"):
        one, two = load_pretrain(f"{name}-pretrain"), load_finetune(f"{name}-finetune")
        assert two.init == f"./{one.run.out}/weights"
        assert two.data.all_sets == one.data.all_sets
        assert two.model.backbone == one.model.backbone
    assert load_finetune("own-finetune").init == "stl-mrfp-small"


def test_the_papers_recipes_say_what_section_4_3_says() -> None:
    for name, people in (("prw", 16), ("cuhk-sysu", 64)):
        one, two = load_pretrain(f"{name}-pretrain"), load_finetune(f"{name}-finetune")
        assert (one.num_identities, one.num_instances, one.schedule.epochs) == (people, 4, 120)
        assert (one.optimizer.name, one.optimizer.lr, one.optimizer.weight_decay) == ("adam", 3.5e-4, 5e-4)
        rates = [3.5e-4 * learning_rate_factor(one.schedule, done) for done in (0, 10, 39.9, 40, 69.9, 70)]
        assert rates == pytest.approx([3.5e-5, 3.5e-4, 3.5e-4, 3.5e-5, 3.5e-5, 3.5e-6])
        assert one.losses.center_weight == 5e-4
        assert one.model.crop_size == (256, 128)
        assert (two.batch_size, two.schedule.epochs, two.optimizer.name) == (16, 20, "sgd")
        rates = [0.005 * learning_rate_factor(two.schedule, done) for done in (0, 11.99, 12)]
        assert rates == pytest.approx([0.005, 0.005, 0.0005])
        assert two.model.anchors.sizes == (4, 8, 16, 32)
        assert two.model.anchors.ratios == (1, 2, 3)
        assert (two.model.input.min_size, two.model.input.max_size) == (640, 960)
        assert two.steps.clip_norm is None


def test_overrides_reach_the_recipe_and_the_model() -> None:
    assert load_pretrain("synth-pretrain").model.name == "stl-mrfp-small"
    changed = load_finetune("synth-finetune", ["optimizer.lr=0.002", "model.reid.pooling=roialign"])
    assert changed.optimizer.lr == 0.002
    assert changed.model.reid.pooling == "roialign"
