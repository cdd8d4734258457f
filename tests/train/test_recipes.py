"""What the paper's recipes chose where paper, author's code and peers differ; docs/training.md has the reasons."""

from pathlib import Path

import pytest
import torch

import personsearch.train
from personsearch.train import load_finetune, load_pretrain, pretrain, recipe_names
from personsearch.train.imagenet import IMAGENET
from personsearch.train.losses import batch_hard_triplet
from tests.support import toy_set
from tests.train.runs import pretrain_config

RECIPES = Path(personsearch.train.__file__).parent / "recipes"
PAPERS = ("prw", "cuhk-sysu")
CUT = "and the triplet loss finds its hardest people among the 2 of a part, not all 4"


def text_of(name: str) -> str:
    return (RECIPES / f"{name}.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PAPERS)
def test_step_two_takes_the_paper_where_the_authors_code_differs_and_the_code_where_the_paper_is_silent(
    name: str,
) -> None:
    config, text = load_finetune(f"{name}-finetune"), text_of(f"{name}-finetune")
    assert config.optimizer.lr == 0.005
    assert "0.009" in text  # what the author's script has
    assert (config.optimizer.momentum, config.optimizer.nesterov) == (0.9, True)
    assert (config.schedule.warmup_epochs, config.steps.clip_norm, config.steps.ema_decay) == (0, None, None)
    assert (config.batch_size, config.steps.accumulate, config.freeze_bn) == (16, 1, False)
    assert f"torchrun --nproc-per-node=2 -m personsearch train finetune {name}-finetune" in text
    config.check_shares(2)  # so his 2x8 can be had
    assert (config.box_jitter, config.augment.zoom, config.augment.jitter) == (0, 1, 0)  # the paper flips only
    assert config.identity_loss.kind == "cross_entropy"
    assert config.binet_like is config.dkd_like is config.distill is None


@pytest.mark.parametrize("name", PAPERS)
def test_step_one_starts_from_imagenet_in_one_part(name: str) -> None:
    config = load_pretrain(f"{name}-pretrain")
    assert config.init == IMAGENET
    assert config.model.backbone == "resnet50_ibn_a"
    assert (config.steps.accumulate, config.losses.triplet, config.losses.label_smoothing) == (1, True, 0.1)


def test_the_recipes_of_prw_have_the_honest_split_ready(tmp_path: Path) -> None:
    for name, load in (("prw-pretrain", load_pretrain), ("prw-finetune", load_finetune)):
        assert load(name).data.holdout_places == ()
        line = '# holdout_places = ["s1m00"]'
        assert text_of(name).count(line) == 1
        (tmp_path / "mine.toml").write_text(text_of(name).replace(line, line.removeprefix("# ")))
        assert load(tmp_path / "mine.toml").data.holdout_places == ("s1m00",)


def test_the_recipes_of_cuhk_sysu_have_an_honest_split_ready(tmp_path: Path) -> None:
    for name, load in (("cuhk-sysu-pretrain", load_pretrain), ("cuhk-sysu-finetune", load_finetune)):
        assert load(name).data.holdout_share == 0
        line = "# holdout_share = 0.1"
        assert text_of(name).count(line) == 1
        (tmp_path / "mine.toml").write_text(text_of(name).replace(line, line.removeprefix("# ")))
        assert load(tmp_path / "mine.toml").data.all_sets[0].holdout_share == 0.1


def test_lines_of_recipes_can_be_read() -> None:
    assert all(len(line) <= 124 for name in recipe_names() for line in text_of(name).splitlines())


def test_the_hardest_people_of_a_part_are_never_harder_than_those_of_the_batch() -> None:
    # On a line: person 0 at 0 and 2, 1 at 3 and 4, 2 at 10 and 12, 3 at 13 and 14.
    features = torch.tensor([[0.0], [2.0], [3.0], [4.0], [10.0], [12.0], [13.0], [14.0]])
    labels = torch.tensor([0, 0, 1, 1, 2, 2, 3, 3])
    near = batch_hard_triplet(features, labels, 0.3)
    halves = [batch_hard_triplet(features[part], labels[part], 0.3) for part in (slice(0, 4), slice(4, 8))]
    # Farthest own - nearest other + 0.3, not below 0: 0, 1.3, 0.3, 0 in either half.
    assert [float(half) for half in halves] == pytest.approx([0.4, 0.4], abs=1e-5)
    assert float(near) == pytest.approx(0.4, abs=1e-5)
    # Alternately, as a batch might be cut: people 0 and 2 in one part are far apart, and so are 1 and 3.
    cut = [batch_hard_triplet(features[part], labels[part], 0.3) for part in ([0, 1, 4, 5], [2, 3, 6, 7])]
    assert [float(part) for part in cut] == [0, 0]


def test_a_run_in_parts_says_where_the_hardest_people_are_found(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    annotations = toy_set(tmp_path / "toy", num_scenes=8, num_identities=4, place_every=0)
    for parts, triplet, told in ((2, True, True), (2, False, False)):
        caplog.clear()
        out = tmp_path / f"{parts}-{triplet}"
        pretrain(
            pretrain_config(
                out,
                annotations,
                num_identities=4,
                steps={"accumulate": parts},
                losses={"triplet": triplet},
                schedule={"epochs": 1},
            )
        )
        assert (CUT in caplog.text) == told
