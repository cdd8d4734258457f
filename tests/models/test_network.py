import logging

import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st

from personsearch.models import ModelConfig, PersonSearchNetwork, SceneGroup, Target, build, preset
from personsearch.models.network import jitter_boxes


def target(boxes: list[list[float]], identities: list[int], ignore: list[bool]) -> Target:
    return Target(
        torch.tensor(boxes, dtype=torch.float32).view(-1, 4),
        torch.tensor(identities, dtype=torch.int64),
        torch.tensor(ignore, dtype=torch.bool),
    )


@pytest.fixture
def network(tiny_config: ModelConfig) -> PersonSearchNetwork:
    torch.manual_seed(0)
    return build(tiny_config).eval()


def test_evaluation_returns_people_per_image(network: PersonSearchNetwork) -> None:
    with torch.inference_mode():
        scenes = network(torch.rand(2, 3, 96, 160))
    assert len(scenes) == 2
    for people in scenes:
        count = len(people.boxes)
        assert 0 < count <= 5
        assert people.scores.shape == (count,)
        assert people.embeddings.shape == (count, 512)
        assert torch.allclose(people.embeddings.norm(dim=1), torch.ones(count), atol=1e-5)
        assert (people.scores.diff() <= 0).all()
        assert (people.boxes[:, 2] <= 160).all()
        assert (people.boxes[:, 3] <= 96).all()


def test_threshold_and_limit_can_be_given(network: PersonSearchNetwork) -> None:
    with torch.inference_mode():
        [everyone] = network(torch.rand(1, 3, 96, 160))
        [nobody] = network(torch.rand(1, 3, 96, 160), score_threshold=1.0)
        [one] = network(torch.rand(1, 3, 96, 160), max_people=1)
    assert len(everyone.boxes) > 1
    assert nobody.embeddings.shape == (0, 512)
    assert len(one.boxes) == 1


def test_embedding_given_boxes_equals_embedding_detections(network: PersonSearchNetwork) -> None:
    images = torch.rand(2, 3, 96, 160)
    with torch.inference_mode():
        scenes = network(images)
        again = network.embed(images, [people.boxes for people in scenes])
    for people, embeddings in zip(scenes, again, strict=True):
        assert torch.allclose(people.embeddings, embeddings, atol=1e-5)


def test_training_refuses_forward_and_evaluation_takes_no_classifier(network: PersonSearchNetwork) -> None:
    assert not any("classifier" in key for key in network.state_dict())
    with pytest.raises(RuntimeError, match="train_step"):
        network.train()(torch.rand(1, 3, 96, 160))


def test_training_gives_losses_and_features_of_people_that_count(network: PersonSearchNetwork) -> None:
    targets = [
        target([[10, 10, 40, 80], [60, 10, 90, 80]], [3, -1], [False, False]),
        target([[10, 10, 40, 80], [100, 10, 130, 80]], [1, -1], [False, True]),
    ]
    out = network.train().train_step([SceneGroup(torch.rand(2, 3, 96, 160), targets)])
    assert set(out.losses) == {"rpn_objectness", "rpn_box", "head_class", "head_box"}
    assert all(torch.isfinite(loss) for loss in out.losses.values())
    assert out.identities.tolist() == [3, -1, 1]  # with the unlabelled person, without the ignored one
    assert out.features.shape == (3, 512)


def test_a_lone_person_has_no_identity_features(network: PersonSearchNetwork) -> None:
    lone = target([[10, 10, 40, 80]], [3], [False])
    out = network.train().train_step([SceneGroup(torch.rand(1, 3, 96, 160), [lone])])
    assert out.features.shape == (0, 512)


def test_training_accepts_scenes_without_people(network: PersonSearchNetwork) -> None:
    empty = target([], [], [])
    out = network.train().train_step([SceneGroup(torch.rand(2, 3, 96, 160), [empty, empty])])
    assert all(torch.isfinite(loss) for loss in out.losses.values())


def split_batches() -> tuple[list[SceneGroup], list[SceneGroup]]:
    """Three scenes of one canvas as one group, and as a group of one and a group of two."""
    generator = torch.Generator().manual_seed(3)
    images = torch.rand(3, 3, 96, 160, generator=generator)
    targets = [
        target([[10, 10, 40, 80], [60, 10, 90, 80]], [3, -1], [False, False]),
        target([[10, 10, 40, 80], [100, 10, 130, 80]], [1, -1], [False, True]),
        target([[50, 10, 80, 80]], [2], [False]),
    ]
    groups = [SceneGroup(images[:1], targets[:1]), SceneGroup(images[1:], targets[1:])]
    return [SceneGroup(images, targets)], groups


def test_losses_and_features_do_not_depend_on_how_a_batch_is_grouped(network: PersonSearchNetwork) -> None:
    network.train()
    network.base.eval()  # the one part that sees each group by itself
    outs = []
    for groups in split_batches():
        torch.manual_seed(7)  # of the sampling
        outs.append(network.train_step(groups))
    for name, loss in outs[0].losses.items():
        assert float(outs[1].losses[name].detach()) == pytest.approx(float(loss.detach()), rel=1e-5), name
    assert torch.allclose(outs[0].features, outs[1].features, atol=1e-4)
    assert outs[0].identities.tolist() == outs[1].identities.tolist() == [3, -1, 1, 2]


def test_neck_and_identification_see_the_people_of_all_canvases_at_once(network: PersonSearchNetwork) -> None:
    people = target([[10, 10, 40, 80], [60, 10, 90, 80]], [0, 1], [False, False])
    groups = [SceneGroup(torch.rand(1, 3, 96, 160), [people]), SceneGroup(torch.rand(1, 3, 128, 96), [people])]
    seen: dict[str, list[int]] = {"neck": [], "identification": [], "head": []}
    network.pooling.neck.register_forward_hook(lambda *args: seen["neck"].append(len(args[1][0])))  # type: ignore[union-attr]
    network.identification.register_forward_hook(lambda *args: seen["identification"].append(len(args[1][0])))
    network.detector.head.box_head.register_forward_hook(lambda *args: seen["head"].append(len(args[1][0])))
    out = network.train().train_step(groups)
    assert out.features.shape == (4, 512)
    assert seen["neck"] == seen["identification"] == [4]
    assert len(seen["head"]) == 1
    sum(out.losses.values(), out.features.sum()).backward()  # type: ignore[arg-type]
    assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.grad is not None)


def test_the_baseline_has_no_neck(tiny_config: ModelConfig) -> None:
    plain = tiny_config.model_copy(update={"reid": tiny_config.reid.model_copy(update={"pooling": "roialign"})})
    network = build(plain).eval()
    assert not any(key.startswith("pooling") for key in network.state_dict())
    with torch.inference_mode():
        assert network(torch.rand(1, 3, 96, 160))[0].embeddings.shape[1] == 512


def test_half_precision_keeps_the_neck_in_float32(network: PersonSearchNetwork) -> None:
    network.set_dtype(torch.bfloat16)
    assert network.identification.bnneck.weight.dtype == torch.float32
    with torch.inference_mode():
        [people] = network(torch.rand(1, 3, 96, 160).bfloat16())
    assert people.boxes.dtype == people.scores.dtype == people.embeddings.dtype == torch.float32


@pytest.fixture
def shorter(tiny_config: ModelConfig) -> PersonSearchNetwork:
    """A network whose embeddings are shorter than its features."""
    torch.manual_seed(0)
    reid = tiny_config.reid.model_copy(update={"embedding": 24})
    return build(tiny_config.model_copy(update={"reid": reid})).eval()


@pytest.mark.parametrize(
    ("name", "pooling", "embedding", "parameters"),
    [
        ("stl-mrfp-r50", "roialign", None, 52_653_702),  # the paper's baseline
        ("stl-mrfp-r50", "roialign", 256, 52_653_702 + 524_544),  # OIM
        ("stl-mrfp-r50", "mrfp", None, 53_873_286),
        ("stl-mrfp-small", "roialign", None, 13_007_110),
        ("stl-mrfp-small", "roialign", 256, 13_007_110 + 131_328),
        ("stl-mrfp-small", "mrfp", None, 13_532_678),
    ],
)
def test_the_parameters_of_what_is_compared(name: str, pooling: str, embedding: int | None, parameters: int) -> None:
    reid = preset(name).reid.model_copy(update={"pooling": pooling, "embedding": embedding})
    with torch.device("meta"):  # counted, not filled
        network = build(preset(name).model_copy(update={"reid": reid}))
    assert sum(one.numel() for one in network.parameters()) == parameters


def test_an_embedding_is_a_linear_layer_behind_the_neck(shorter: PersonSearchNetwork) -> None:
    layer, necked = shorter.identification.embedding, []
    assert layer is not None
    shorter.identification.bnneck.register_forward_hook(lambda *args: necked.append(args[2]))
    with torch.inference_mode():
        [people] = shorter(torch.rand(1, 3, 96, 160))
        expected = necked[0] @ layer.weight.T + layer.bias
    assert necked[0].shape[1] == 512
    assert people.embeddings.shape == (len(people.scores), 24)
    assert torch.allclose(people.embeddings, expected / expected.norm(dim=1, keepdim=True), atol=1e-5)
    assert shorter.embed(torch.rand(1, 3, 96, 160), [torch.zeros(0, 4)])[0].shape == (0, 24)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_keeps_the_embedding_in_float32(dtype: torch.dtype, shorter: PersonSearchNetwork) -> None:
    images, boxes = torch.rand(1, 3, 96, 160), [torch.tensor([[10.0, 10, 40, 80], [60, 10, 90, 80]])]
    with torch.inference_mode():
        exact = shorter.embed(images, boxes)[0]
        shorter.set_dtype(dtype)
        rounded = shorter.embed(images.to(dtype), boxes)[0]
    assert {one.dtype for one in shorter.identification.embedding.parameters()} == {torch.float32}  # type: ignore[union-attr]
    assert rounded.dtype == torch.float32
    assert (exact * rounded).sum(dim=1).min() > 0.99


def test_features_that_train_are_embeddings_and_float32_under_autocast(shorter: PersonSearchNetwork) -> None:
    [batch], _ = split_batches()
    with torch.autocast("cpu", torch.bfloat16):
        out = shorter.train().train_step([batch])
    assert out.features.shape == (4, 24)
    assert out.features.dtype == torch.float32
    out.features.sum().backward()
    learning = [one for one in shorter.identification.parameters() if one.requires_grad]
    assert all(one.grad is not None and one.grad.isfinite().all() for one in learning)
    lone = target([[10, 10, 40, 80]], [3], [False])
    assert shorter.train_step([SceneGroup(torch.rand(1, 3, 96, 160), [lone])]).features.shape == (0, 24)


def test_an_embedding_layer_that_diverged_finds_nobody_and_says_so(
    shorter: PersonSearchNetwork, caplog: pytest.LogCaptureFixture
) -> None:
    with torch.no_grad():
        shorter.identification.embedding.weight.fill_(float("inf"))  # type: ignore[union-attr]
    with torch.inference_mode():
        [people] = shorter(torch.rand(1, 3, 96, 160))
    assert people.embeddings.shape == (0, 24)
    assert "gives embeddings that are not finite" in caplog.text


@pytest.mark.parametrize("loss", [0.1, 0.4, 0.9])
def test_jittered_boxes_keep_their_overlap(loss: float) -> None:
    torch.manual_seed(0)
    boxes = torch.tensor([[50.0, 20, 80, 110], [0, 0, 10, 200]]).repeat(2000, 1)
    moved = jitter_boxes(boxes, loss, (200, 300))
    iou = torchvision.ops.box_iou(boxes[:2], moved)[[0, 1] * 2000, range(4000)]
    assert float(iou.min()) >= 1 - loss - 1e-5
    assert float(iou.min()) < 1 - 0.6 * loss  # and the room is used
    assert float(iou.max()) > 0.98
    assert (moved >= 0).all()
    assert (moved[:, 3] <= 200).all()
    first = moved[::2].mean(dim=0)
    assert torch.allclose(first, boxes[0], atol=1)  # no edge moves one way more than the other


def test_jitter_follows_the_generator_and_none_draws_nothing(network: PersonSearchNetwork) -> None:
    boxes = torch.tensor([[50.0, 20, 80, 110]])
    state = torch.get_rng_state()
    assert jitter_boxes(boxes, 0.0, (200, 300)) is boxes
    assert torch.equal(torch.get_rng_state(), state)
    [batch], _ = split_batches()
    features = []
    for seed, loss in ((1, 0.4), (1, 0.4), (2, 0.4), (1, 0.0)):
        torch.manual_seed(seed)
        features.append(network.train().train_step([batch], box_jitter=loss).features)
    assert torch.equal(features[0], features[1])
    assert not torch.equal(features[0], features[2])
    assert not torch.equal(features[0], features[3])


#: What a network computes with such values is neither a person nor a crash.
SPOILT = [float("nan"), float("inf"), -float("inf"), 1e30, -1e30]


def people_of(network: PersonSearchNetwork, images: torch.Tensor) -> list[int]:
    with torch.inference_mode():
        found = network(images)
    for people in found:
        assert people.boxes.shape == (len(people.scores), 4)
        assert people.embeddings.shape == (len(people.scores), 512)
        assert all(bool(field.isfinite().all()) for field in people)
    return [len(people.scores) for people in found]


@pytest.mark.parametrize("value", SPOILT[:3])
def test_a_diverged_network_finds_nobody_and_says_so_once(
    value: float, network: PersonSearchNetwork, caplog: pytest.LogCaptureFixture
) -> None:
    with torch.no_grad():
        network.detector.rpn.head.bbox_pred.weight.fill_(value)
    images = torch.rand(2, 3, 64, 96)
    with caplog.at_level(logging.WARNING, "personsearch"):
        for _ in range(2):
            assert people_of(network, images) == [0, 0]
    assert caplog.text.count("these weights look diverged") == 1
    assert [len(regions) for regions in network.propose(images)] == [0, 0]


@pytest.fixture(scope="module")
def to_spoil(tiny_config: ModelConfig) -> PersonSearchNetwork:
    torch.manual_seed(0)
    return build(tiny_config).eval()


@settings(max_examples=12, deadline=None)
@given(value=st.sampled_from(SPOILT), part=st.integers(0, 10**6), everything=st.booleans())
def test_spoilt_weights_anywhere_are_no_crash(
    value: float, part: int, everything: bool, to_spoil: PersonSearchNetwork
) -> None:
    floats = [tensor for tensor in to_spoil.state_dict().values() if tensor.is_floating_point()]
    tensor = floats[part % len(floats)]
    before = tensor.clone()
    tensor.fill_(value) if everything else tensor.view(-1)[0].fill_(value)
    try:
        people_of(to_spoil, torch.rand(1, 3, 32, 64))
    finally:
        tensor.copy_(before)


def test_embeddings_that_are_not_finite_are_nobody_though_boxes_are(
    network: PersonSearchNetwork, caplog: pytest.LogCaptureFixture
) -> None:
    with torch.no_grad():
        network.identification.bnneck.running_var.fill_(float("nan"))
    assert people_of(network, torch.rand(1, 3, 96, 160)) == [0]
    assert "gives embeddings that are not finite" in caplog.text


def test_a_sound_network_says_nothing(network: PersonSearchNetwork, caplog: pytest.LogCaptureFixture) -> None:
    for images in (torch.zeros(1, 3, 96, 160), torch.ones(1, 3, 96, 160), torch.rand(1, 3, 32, 1600)):
        people_of(network, images)
        assert len(network.propose(images)[0]) > 0
    assert "diverged" not in caplog.text
