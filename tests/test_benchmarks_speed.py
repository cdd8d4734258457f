"""The benchmarks of speed count, take turns and compare as they say; never how fast anything is."""

import copy
import importlib
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.models.resnet import Bottleneck

from personsearch.datasets import Query, load_dataset
from personsearch.evaluation.observations import Observations
from personsearch.models import ModelConfig, build, preset
from personsearch.weights.files import save_folder
from tests.evaluation import toy

Load = Callable[[str], ModuleType]
Run = Callable[..., str]

ROOT = Path(__file__).parents[1]
TINY = ["--presets", "stl-mrfp-small", "--sizes", "160x96", "--people", "3", "--threads", "1", "--paths", "fast"]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)  # what is measured here is small


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Load:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module


@pytest.fixture
def run(module: Load, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Run a benchmark in this process, what it would do in children too: loading torch takes seconds each time."""

    def call(name: str, *arguments: str) -> str:
        script = module(name)
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *arguments])
        if hasattr(script, "in_child"):
            monkeypatch.setattr(script, "in_child", lambda function, *args, **options: function(*args, **options))
        script.main()
        return capsys.readouterr().out

    threads = torch.get_num_threads()
    yield call
    torch.set_num_threads(threads)


@pytest.fixture
def counts(module: Load) -> ModuleType:
    return module("speed_counts")


@pytest.fixture
def timing(module: Load) -> ModuleType:
    return module("speed_timing")


@pytest.fixture
def paths(module: Load, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    found = module("speed_paths")
    built, made = found.network_for, {}

    def once(cell: object) -> nn.Module:
        key = found.config_for(cell).model_dump_json()
        made[key] = made.get(key) or built(cell)
        return copy.deepcopy(made[key])

    monkeypatch.setattr(found, "network_for", once)  # half a second each
    return found


@pytest.fixture
def peers(module: Load, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    found = module("peers")
    monkeypatch.setattr(found, "PROPOSALS", 4)  # conv5_x on 300 takes seconds
    return found


def test_operations_and_traffic_of_a_layer(counts: ModuleType) -> None:
    conv, norm = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4)
    layers = nn.Sequential(conv, norm, nn.ReLU()).eval()
    _, work = counts.count(lambda: layers(torch.zeros(2, 3, 8, 8)), layers)
    # 2 x 8 x 8 places, 4 outputs of 27 products with their additions; two reads, writes and weights of 4 x 27 + 4.
    assert work.flops == 2 * 128 * 4 * 27
    assert work.fused == 2 * 3 * 64 + 2 * 4 * 64 + 112
    # The norm and the ReLU each read and write 2 x 4 x 64 again; the norm has 8 weights.
    assert work.unfused == work.fused + 4 * 2 * 4 * 64 + 8


def test_a_floor_is_the_longer_of_arithmetic_and_traffic_stage_by_stage(counts: ModuleType) -> None:
    rates = counts.Rates(flops=100.0, bytes=10.0)
    busy, wide = counts.Work(flops=300, fused=5, unfused=20), counts.Work(flops=10, fused=5, unfused=20)
    assert rates.floor(busy, 2) == 3.0
    assert rates.floor(wide, 2) == 1.0
    assert rates.floor_of({"a": busy, "b": wide}, 2) == 4.0
    assert rates.floor_of({"a": busy, "b": wide}, 2, fused=False) == 8.0
    assert rates.floor_of({}, 2) == 0


@pytest.mark.parametrize(
    ("width", "height", "gflop", "fused", "unfused"), [(960, 640, 163.0, 3868, 2132), (1500, 900, 272.2, 2214, 1156)]
)
def test_the_counts_that_the_issue_of_speed_names(
    counts: ModuleType, width: int, height: int, gflop: float, fused: int, unfused: int
) -> None:
    config = preset("stl-mrfp-r50")
    found, h200 = counts.stages(config, width, height), counts.Rates(790e12, 4.3e12)
    assert sum(work.flops for work in found.values()) / 1e9 == pytest.approx(gflop, abs=0.05)
    assert 1 / h200.floor_of(found, 2) == pytest.approx(fused, abs=0.5)
    assert 1 / h200.floor_of(found, 2, fused=False) == pytest.approx(unfused, abs=0.5)
    by_part = counts.parts(found)
    assert sum(work.flops for part in by_part.values() for work in part.values()) == sum(
        work.flops for work in found.values()
    )
    # Eight people more: the RPN does not know of them, and the parts of a person double.
    more = counts.stages(config, width, height, people=16)
    assert more["RPN head"] == found["RPN head"]
    assert more["conv5_x"].flops == 2 * found["conv5_x"].flops


def test_without_mrfp_there_is_no_neck(counts: ModuleType) -> None:
    plain = preset("stl-mrfp-small").model_dump() | {"reid": {"pooling": "roialign", "roi_size": (16, 8)}}
    found = counts.stages(ModelConfig.model_validate(plain), 160, 96)
    assert found["neck"] == counts.Work()
    assert found["conv4_x"].flops > 0


def test_calls_take_turns_and_warming_up_does_not_count(timing: ModuleType) -> None:
    made: list[str] = []
    calls = {name: lambda name=name: made.append(name) for name in "ABC"}
    taken = timing.interleaved(calls, torch.device("cpu"), timing.Rounds(warmup=1, repeats=2, seconds=9))
    assert "".join(made) == "ABCABCABC"
    assert {name: len(samples) for name, samples in taken.items()} == {"A": 2, "B": 2, "C": 2}
    rounds = timing.Rounds(warmup=0, repeats=50, seconds=0).take(lambda: None)
    assert len(rounds) == timing.FEWEST_ROUNDS


def test_a_ratio_is_of_rounds_not_of_medians(timing: ModuleType) -> None:
    # A machine that slows down by the round: each round says 2, but one says 3 and one says 1.
    found = timing.ratio([2.0, 4.0, 24.0, 16.0, 10.0], [1.0, 2.0, 8.0, 8.0, 10.0])
    assert (found.median, found.low, found.high) == (2, 2, 2)
    found = timing.ratio([1.0, 2.0, 3.0, 4.0, 5.0], [1.0] * 5)
    assert (found.median, found.low, found.high) == (3, 2, 4)
    assert str(found) == "3.00 (2.00-4.00)"


def test_a_child_has_threads_of_its_own(timing: ModuleType) -> None:
    before = torch.get_num_threads()
    timing.in_child(torch.set_num_threads, before + 1)
    assert torch.get_num_threads() == before


def test_the_most_memory_is_not_less_than_what_is_held(timing: ModuleType) -> None:
    before = timing.peak_memory(torch.device("cpu"))
    held = np.ones(before // 8 + 20_000_000)  # more than was ever held, and touched
    assert timing.peak_memory(torch.device("cpu")) > before + 50e6
    assert held.sum() > 0


class Clock:
    """A GPU that tells what was asked of it, and whose events are a millisecond apart."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def use(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(torch.cuda, "Event", self.event)
        monkeypatch.setattr(torch.cuda, "current_stream", lambda device: f"stream of {device}")
        monkeypatch.setattr(torch.cuda, "synchronize", lambda device: self.told.append(f"wait for {device}"))

    def event(self, enable_timing: bool) -> SimpleNamespace:
        assert enable_timing
        event = SimpleNamespace(at=None)

        def record(stream: str) -> None:
            event.at = len([one for one in self.told if one.startswith("stream")])
            self.told.append(stream)

        event.record = record
        event.elapsed_time = lambda later: float(later.at - event.at)
        return event


def test_a_gpu_is_timed_by_events_and_waited_for_once(
    timing: ModuleType, module: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, device = Clock(), torch.device("cuda", 1)
    clock.use(monkeypatch)
    assert timing.timed(lambda: clock.told.append("call"), device).wall == 0.001
    assert clock.told == ["stream of cuda:1", "call", "stream of cuda:1", "wait for cuda:1"]
    clock.told.clear()
    steps = {name: lambda name=name: clock.told.append(name) for name in ("propose", "score")}
    taken = module("speed_stages").timed_steps(steps, device)
    assert {name: sample.wall for name, sample in taken.items()} == {"propose": 0.001, "score": 0.001}
    stream = "stream of cuda:1"
    assert clock.told == [stream, "propose", stream, "score", stream, "wait for cuda:1"]


def test_too_large_a_batch_for_a_gpu_is_halved(module: Load) -> None:
    cell = module("speed_paths").Cell("stl-mrfp-small", 160, 96, 12, 3, "cpu", 1)
    tried = []

    def measured(fits: object) -> list[dict[str, object]]:
        tried.append(fits.batch)
        if fits.batch > 3:
            raise torch.cuda.OutOfMemoryError("too large")
        return [{"batch": fits.batch}]

    assert module("speed").fitting(measured, cell) == [{"batch": 3}]
    assert tried == [12, 6, 3]
    with pytest.raises(torch.cuda.OutOfMemoryError):
        module("speed").fitting(lambda _: measured(cell), replace(cell, batch=1))


def test_stages_one_after_the_other_compute_what_the_networks_compute(module: Load, paths: ModuleType) -> None:
    people = 3
    cell = paths.Cell("stl-mrfp-small", 160, 96, 2, people, "cpu", 1)
    scenes, stages = paths.scenes_for(cell), module("speed_stages")
    made = {}
    for path in ("reference", "fast"):
        searcher = paths.searcher_for(cell, path, "float32")
        whole = paths.calls_for(searcher, scenes, path)["network"]()
        made[path] = torch.cat([embeddings for _, _, embeddings in whole])
        if path == "fast":
            steps = stages.fast_steps(searcher.network, scenes.batch, people)
        else:
            steps = stages.reference_steps(searcher.network, scenes.batch, searcher.dtype)
        with torch.inference_mode():
            *_, embeddings = [step() for step in steps.values()]
            sample = stages.summed(stages.timed_steps(steps, torch.device("cpu")))
        assert torch.allclose(embeddings, made[path], atol=1e-5)
        assert sample["all"] == pytest.approx(
            sum(sample[name] for name in ("features", "propose", "score, select", "identify"))
        )
    assert made["fast"].shape == (2 * people, 512)
    assert torch.allclose(made["fast"], made["reference"], atol=1e-3)


def test_speed_prints_every_table_and_names_its_paths(run: Run, paths: ModuleType) -> None:
    told = run("speed", *TINY, "--dtypes", "float32", "bfloat16", "--device", "cpu", "--warmup", "0", "--repeats", "1")
    assert told.startswith("# python benchmarks/speed.py --presets stl-mrfp-small")
    cells = [
        [cell.strip() for cell in row.strip("|").split("|")] for row in told.splitlines() if row.startswith("| stl")
    ]
    speed = [row for row in cells if row[5] in ("network", "decoded", "encoded")]
    assert [(row[5], row[6], row[7]) for row in speed] == [
        (start, path, dtype)
        for start in ("network", "decoded", "encoded")
        for path, dtype in (("reference", "float32"), ("fast", "float32"), ("fast", "bfloat16"))
    ]
    assert all(row[11].startswith("1.00 (1.00") for row in speed if row[6] == "reference")
    stages = [row[7] for row in cells if row[5:7] == ["fast", "bfloat16"] and len(row) == 12]
    assert stages == ["features", "propose", "score", "select", "score, select", "identify", "all"]
    memory = [int(row[7]) for row in cells if len(row) == 9]
    assert len(memory) == 3
    assert all(peak > 100 for peak in memory)
    assert "Measured rates, bfloat16, threads: 1: " in told


def test_speed_gives_json_of_batches_and_people(run: Run, paths: ModuleType) -> None:
    arguments = ["--dtypes", "float32", "--tables", "speed", "--from", "network", "--batch", "1", "2"]
    told = run("speed", *TINY, *arguments, "--device", "cpu", "--warmup", "0", "--repeats", "2", "--json")
    rows = [json.loads(line) for line in told.splitlines()]
    speed = [row for row in rows if row["kind"] == "speed"]
    assert [(row["batch"], row["path"]) for row in speed] == [(n, p) for n in (1, 2) for p in ("reference", "fast")]
    for row in speed:
        assert (row["people"], row["size"], row["threads"], row["rounds"]) == (3, "160x96", 1, 2)
        assert row["images_per_s"] > 0
        assert row["p95_ms"] >= row["median_ms"]
        assert row["share_of_floor"] == pytest.approx(row["floor_ms"] / row["median_ms"], abs=1e-3)
        assert row["paper_images_per_s"] is None
        assert {"cpu", "torch", "date"} <= row.keys()
    assert {row["kind"] for row in rows} == {"speed", "rates"}


@pytest.mark.parametrize(("name", "gflop"), [("NAE", 612), ("SeqNet", 599)])
def test_peers_have_the_arithmetic_that_was_counted_in_the_authors_own_code(
    module: Load, name: str, gflop: float
) -> None:
    peers = module("peers")
    with torch.device("meta"):
        found = peers.Peer(name, 8).eval().work(960, 640)
    # Theirs had a few proposals less than 300 (SeqNet): 4 % at most.
    assert sum(work.flops for work in found.values()) / 1e9 == pytest.approx(gflop, rel=0.045)
    block = 2 * 49 * (4 * 1024 * 512 + 9 * 512 * 512 + 512 * 2048 + 1024 * 2048)  # its first, on 14 x 14 regions
    others = 2 * 49 * (2048 * 512 + 9 * 512 * 512 + 512 * 2048)
    assert found["conv5_x on proposals"].flops == 300 * (block + 2 * others)


@pytest.mark.parametrize("name", ["NAE", "SeqNet"])
def test_a_peer_embeds_so_many_people(peers: ModuleType, paths: ModuleType, name: str) -> None:
    cell = paths.Cell("stl-mrfp-r50", 160, 96, 2, 3, "cpu", 1)
    found = peers.peer_for(name, cell, optimised=name == "SeqNet")(paths.scenes_for(cell).batch)
    assert [tuple(rows.shape) for rows in found] == [(3, 256), (3, 256)]
    assert torch.allclose(torch.cat(found).float().norm(dim=1), torch.ones(6), atol=1e-2)


def test_folding_a_peer_changes_nothing(peers: ModuleType, paths: ModuleType) -> None:
    block = Bottleneck(16, 8, downsample=nn.Sequential(nn.Conv2d(16, 32, 1, bias=False), nn.BatchNorm2d(32)))
    layers = nn.Sequential(nn.Conv2d(3, 16, 3, bias=False), nn.BatchNorm2d(16), nn.ReLU(), block).eval()
    images = torch.rand(2, 3, 20, 20)
    paths.calibrate(layers, lambda: layers(images))
    with torch.inference_mode():
        before = layers(images)
        peers.fold(layers)
        assert torch.allclose(layers(images), before, atol=1e-5)
    assert not any(isinstance(part, nn.BatchNorm2d) for part in layers.modules())
    assert before.std() > 0.1


def test_precision_compares_with_the_first_entry(module: Load, toy_annotations: Path) -> None:
    dataset = load_dataset(toy_annotations, "train")
    names, box = [scene.image_id for scene in dataset.scenes[:2]], np.array([0, 0, 9, 9], np.float32)
    dataset = replace(
        dataset, scenes=dataset.scenes[:2], queries=tuple(Query(image_id=n, box=box, identity=1) for n in names)
    )

    def seen(first: list[list[float]], scores: list[float], cosine: float) -> Observations:
        """Two scenes; in the second nobody."""
        found = [toy.detected([0.0] * len(first), first, scores), toy.detected([])]
        embedded = [[1.0, 0.0], [cosine, (1 - cosine**2) ** 0.5]]
        return Observations(
            weights="",
            detections=dict(zip(names, found, strict=True)),
            boxes=dict.fromkeys(names, box[None]),
            embeddings={n: np.array([row], np.float32) for n, row in zip(names, embedded, strict=True)},
        )

    boxes = [[0.0, 0, 10, 20], [40, 0, 50, 20], [80, 0, 90, 20]]
    before = seen(boxes, [0.9, 0.8, 0.4], 1.0)
    # The first a pixel lower and half a pixel wider, and of less score; the second not at all; the third, below the
    # score that counts, far away; and one more.
    after = seen([[0, 1, 10.5, 21], [60, 0, 70, 20], [85, 0, 95, 20]], [0.7, 0.6, 0.3], 0.6)
    apart = module("precision").apart
    told = apart(before, after, dataset, 0.5)
    assert told["cosine"] == (pytest.approx(0.8), pytest.approx(0.6))
    assert told["edge_px"] == (1, 1)
    assert told["score"] == (pytest.approx(0.2), pytest.approx(0.2))
    assert (told["only_first"], told["only_other"]) == (1, 1)
    same = apart(before, before, dataset, 0.5)
    assert (same["edge_px"], same["score"], same["only_first"], same["only_other"]) == ((0, 0), (0, 0), 0, 0)
    assert apart(before, after, dataset, 0.95)["edge_px"] == (0, 0)


def test_a_part_of_a_set_has_queries_that_find_somebody(module: Load, toy_annotations: Path) -> None:
    part_of, dataset = module("precision").part_of, load_dataset(toy_annotations, "train")
    assert part_of(dataset, 0) is part_of(dataset, 99) is dataset
    some = part_of(dataset, 2)
    assert len(some.scenes) == 2
    for query in some.queries:
        assert sum(query.identity in scene.identities for scene in some.scenes) > 1


def test_precision_measures_each_entry_on_a_set(
    run: Run, tmp_path: Path, tiny_config: ModelConfig, toy_annotations: Path
) -> None:
    rows = [{"annotation_id": number} for number in (1, 2, 4)]
    (toy_annotations.parent / "queries.json").write_text(json.dumps({"queries": rows}))
    weights = save_folder(tmp_path / "weights", tiny_config, build(tiny_config).state_dict())
    arguments = [str(toy_annotations), "--weights", str(weights), "--device", "cpu", "--json"]
    told = run("precision", *arguments, "--entries", "reference,float32", "fast,bfloat16")
    found = [json.loads(line) for line in told.splitlines()]
    assert [row["entry"] for row in found] == ["reference,float32", "fast,bfloat16"]
    assert found[0]["cosine"] == pytest.approx([1, 1])
    assert 0.5 < found[1]["cosine"][1] < found[0]["cosine"][1]
    assert all(0 <= row["mAP"] <= 1 for row in found)
