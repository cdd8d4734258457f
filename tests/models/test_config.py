import pytest

from personsearch.config import merge, parse
from personsearch.errors import ConfigError
from personsearch.models import ModelConfig, preset, preset_names


def test_the_papers_preset() -> None:
    config = preset("stl-mrfp-r50")
    assert config.backbone == "resnet50_ibn_a"
    assert config.embedding_size == 2048
    assert config.reid.roi_size == (32, 16)
    assert config.crop_size == (256, 128)
    assert config.reid.pooling == "mrfp"
    assert config.detector.head_width == 1024
    assert (config.input.min_size, config.input.max_size) == (640, 960)


def test_the_small_preset_stays_small() -> None:
    config = preset("stl-mrfp-small")
    assert config.embedding_size == 512
    assert config.detector.head_width <= 256
    assert config.crop_size == (128, 64)


def test_unknown_preset_names_the_known() -> None:
    with pytest.raises(KeyError, match="stl-mrfp-r50"):
        preset("nope")
    assert set(preset_names()) == {"stl-mrfp-r50", "stl-mrfp-small"}


def test_what_is_not_set_is_not_written() -> None:
    plain = preset("stl-mrfp-r50")
    assert "containment" not in plain.model_dump(mode="json")["detector"]  # so fingerprints are as before it existed
    changed = parse(ModelConfig, {"detector": {"containment": 0.9}}, "here")
    data = changed.model_dump(mode="json")
    assert data["detector"]["containment"] == 0.9
    assert parse(ModelConfig, data, "here") == changed
    assert parse(ModelConfig, plain.model_dump(mode="json"), "here").detector.containment is None


def test_embeddings_are_as_long_as_conv5_has_channels_unless_a_length_is_set() -> None:
    plain = preset("stl-mrfp-small")
    assert plain.feature_size == plain.embedding_size == 512
    assert "embedding" not in plain.model_dump(mode="json")["reid"]  # so fingerprints are as before it existed
    shorter = parse(ModelConfig, merge(plain.model_dump(mode="json"), {"reid": {"embedding": 256}}), "here")
    assert (shorter.feature_size, shorter.embedding_size) == (512, 256)
    data = shorter.model_dump(mode="json")
    assert data["reid"]["embedding"] == 256
    assert parse(ModelConfig, data, "here") == shorter


def test_json_round_trip() -> None:
    config = preset("stl-mrfp-r50")
    assert parse(ModelConfig, config.model_dump(mode="json"), "here") == config


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"backbon": "resnet18"}, "config.json: unknown key 'backbon'; did you mean 'backbone'"),
        ({"reid": {"poling": "mrfp"}}, "unknown key 'reid.poling'; did you mean 'pooling'"),
        ({"detector": {"head_width": "wide"}}, "detector.head_width"),
        ({"detector": {"head_width": 2.5}}, "detector.head_width"),
        ({"reid": {"roi_size": [15, 8]}}, "roi_size must be even"),
        ({"input": {"min_size": 800, "max_size": 600}}, "smaller than min_size"),
        ({"anchors": {"sizes": []}}, "anchors.sizes"),
        ({"anchors": {"sizes": [0]}}, "positive"),
        ({"input": {"std": [0.0, 1.0, 1.0]}}, "std must be positive"),
        ({"reid": {"pooling": "max"}}, "mrfp"),
        ({"reid": {"embedding": 0}}, r"reid\.embedding"),
    ],
)
def test_mistakes_are_named(data: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse(ModelConfig, data, "config.json")
