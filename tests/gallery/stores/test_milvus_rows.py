"""What of Milvus needs no server: addresses, partitions of time, rows and conditions."""

from __future__ import annotations

import socket
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest

from personsearch.errors import GalleryError, MissingExtraError
from personsearch.gallery.catalogue import Filters
from personsearch.gallery.stores import milvus_link, milvus_rows
from personsearch.gallery.stores.engine import Where
from personsearch.gallery.stores.milvus import open_milvus
from personsearch.gallery.stores.milvus_index import ALL_LISTS, IndexFacts, wanted_lists
from personsearch.gallery.stores.milvus_link import parse_address
from personsearch.gallery.stores.milvus_rows import Partitions
from tests.gallery.stores.milvus_help import person, scene


def test_an_address_says_where_and_keeps_its_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MILVUS_TOKEN", raising=False)
    plain = parse_address("milvus://host/name_1")
    assert (plain.host, plain.port, plain.name, plain.token, plain.tls) == ("host", 19530, "name_1", "", False)
    assert (plain.partition, plain.database, plain.shown) == ("day", "", "milvus://host/name_1")
    full = parse_address("milvus://user:p%40ss@[::1]:99/people?tls=1&partition=month&timeout=5&db=shop")
    assert (full.host, full.port, full.token, full.tls) == ("::1", 99, "user:p@ss", True)
    assert (full.partition, full.answer, full.database) == ("month", 5.0, "shop")
    assert full.shown == "milvus://[::1]:99/people?tls=1&partition=month&timeout=5&db=shop"
    assert "ss@" not in repr(full)
    monkeypatch.setenv("MILVUS_TOKEN", "outside:key")
    assert parse_address("milvus://user:pass@host/name").token == "outside:key"  # noqa: S105


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("milvus://host", "cannot name a gallery"),
        ("milvus://host/a/b", "'a/b' cannot name a gallery"),
        ("milvus://host/1st", "does not begin with a digit"),
        ("milvus://host/größe", "letters, digits and _"),
        ("milvus:///name", "an address is milvus://host:19530/name"),
        ("milvus://host:port/name", "an address is"),
        ("milvus://host/name?partition=week", "one of day, hour, month, none, not 'week'"),
        ("milvus://host/name?tls=yes", "tls is 0 or 1"),
        ("milvus://host/name?timeout=0", "above 0"),
        ("milvus://host/name?db=a-b", "cannot name a database"),
        ("milvus://host/name?partitions=day", "no option 'partitions'"),
        ("milvus://host/name?token=hidden", "set the environment variable MILVUS_TOKEN"),
    ],
)
def test_an_address_that_is_none(address: str, why: str) -> None:
    with pytest.raises(GalleryError, match=why) as caught:
        parse_address(address.replace("//", "//me:secret@"))
    assert "secret" not in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_no_server_is_said_at_once() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        port = taken.getsockname()[1]
        with pytest.raises(
            GalleryError, match=rf"no server answers at 127.0.0.1:{port} .*start Milvus there"
        ) as caught:
            open_milvus(f"milvus://me:secret@127.0.0.1:{port}/g")
    assert "secret" not in str(caught.value)


def test_something_else_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pymilvus")
    monkeypatch.setattr(milvus_link, "CONNECT", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            while True:
                try:
                    caller, _ = server.accept()
                except OSError:
                    return
                with caller:
                    caller.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        with pytest.raises(GalleryError, match="is no Milvus server, or does not let us in"):
            open_milvus(f"milvus://127.0.0.1:{server.getsockname()[1]}/g")
        server.shutdown(socket.SHUT_RDWR)
    thread.join()


def test_without_pymilvus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pymilvus", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'personsearch\[milvus\]'"):
        open_milvus("milvus://127.0.0.1/g")


def test_partitions_of_time() -> None:
    day, hour, month = Partitions("day"), Partitions("hour"), Partitions("month")
    assert [day.name(one) for one in (0.0, 86399.9, 86400.0, -0.1)] == ["day_0", "day_0", "day_1", "day_m1"]
    assert [hour.name(one) for one in (3599.0, 7200.0, -3600.0)] == ["hour_0", "hour_2", "hour_m1"]
    # January 1970 has 31 days, and February 28.
    assert [month.name(86400.0 * one) for one in (30, 31, 58, 59, -1)] == [
        "month_0", "month_1", "month_1", "month_2", "month_m1",
    ]  # fmt: skip
    assert day.name(None) == "untimed"
    assert Partitions("none").name(5.0) == Partitions("none").name(None) == "_default"
    assert day.name(1e300) == month.name(-1e300) == "_default"
    names = ["_default", "untimed", "day_m1", "day_0", "day_1", "day_2"]
    assert day.reached(names, None, None) is None
    assert day.reached(names, 86400.0, None) == ["_default", "day_1", "day_2"]
    assert day.reached(names, None, -1.0) == ["_default", "day_m1"]
    assert day.reached(names, 10.0, 20.0) == ["_default", "day_0"]
    times = np.sort(np.random.default_rng(0).normal(size=1000) * 10.0 ** np.arange(1000).clip(0, 15)).tolist()
    for partitions in (day, hour, month):
        numbers = [partitions.number(one) for one in times]
        assert numbers == sorted(numbers)


def test_every_half_precision_number_comes_back_as_it_was() -> None:
    numbers = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    embedding = numbers[np.isfinite(numbers)].tobytes()
    row = milvus_rows.person_row(replace(person(1), embedding=embedding), "day_0")
    assert row["embedding"].dtype == np.float32
    row["embedding"] = row["embedding"].tolist()  # as pymilvus returns it
    assert milvus_rows.person_record(row).embedding == embedding


def test_rows_come_back_as_they_were() -> None:
    for camera in (None, "", ":", "door"):
        for time in (None, 0.0, -1.5):
            one = scene("a", camera=camera, time=time)
            assert milvus_rows.scene_record(milvus_rows.scene_row(one)) == one
            someone = person(7, camera=camera, time=time)
            assert milvus_rows.person_record(milvus_rows.person_row(someone, "x")) == someone


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"extra": "x" * 65_536}, r"scene 'a': its extra has 65,536 bytes and Milvus takes 65,535; shorten it"),
        ({"camera": "ü" * 32_767 + "x"}, r"scene 'a': its camera has 65,536 bytes"),
        ({"image_id": "i" * 70_000}, r"scene 'i{80}': its image_id has 70,000 bytes"),
        ({"image_id": "bad\udce4"}, r"Unicode only, and its image_id is none"),
    ],
)
def test_texts_that_do_not_fit(change: dict[str, str], why: str) -> None:
    with pytest.raises(GalleryError, match=why):
        milvus_rows.scene_row(replace(scene("a"), **change))
    if "extra" not in change:
        with pytest.raises(GalleryError, match=why):
            milvus_rows.person_row(replace(person(1, image_id="a"), **change), "day_0")
    milvus_rows.scene_row(replace(scene("a"), extra="x" * 65_535, camera="ü" * 32_767))


def test_conditions() -> None:
    def said(only: tuple[str | None] | None = None, exclude: tuple[int, ...] = (), **filters: object) -> str | None:
        return milvus_rows.condition(Where(filters=Filters(**filters), exclude=exclude, only_camera=only))  # type: ignore[arg-type]

    assert said() == ""
    assert said(cameras=['say "hi"']) == r'camera in [":say \"hi\""]'
    assert said(cameras=[]) is None
    assert said(cameras=["\udce4"]) is None
    assert said(("a",), cameras=["b"]) is None
    assert said((None,)) == 'camera == ""'
    assert said(since=3, until=float("inf")) == (
        "timed == true and time >= 3.0 and timed == true and time <= 1.7976931348623157e+308"
    )
    assert said(since=float("nan")) is None
    assert said(exclude_images=["a\\b", "\udce4"], exclude=(4, 5)) == r'image_id not in ["a\\b"] and id not in [4,5]'
    assert [len(batch) for batch in milvus_rows.batches(range(10_000))] == [4096, 4096, 1808]
    assert [len(batch) for batch in milvus_rows.batches(["x" * 60_000, "\udce4"] * 20)] == [17, 3]


def test_which_index_and_how_much_of_it_is_searched() -> None:
    assert wanted_lists("exact", 10**8, 1, 512) == 0
    assert wanted_lists("auto", 199_999, 1, 512) == 0
    assert wanted_lists("auto", 200_000, 1, 512) == 224  # sqrt(200,000) / 2
    assert wanted_lists("auto", 10**8, 1, 512) == 256  # a segment of 512 MB holds 262,144 people
    assert wanted_lists("auto", 10**8, 1000, 512) == 158  # sqrt(100,000) / 2
    assert wanted_lists("ivf", 100, 1, 512) == 0  # 2 lists of 39 people
    assert wanted_lists("ivf", 3900, 1, 512) == 31
    exact, lists = IndexFacts(), IndexFacts("ivf", 100, 8, 0.985)
    assert exact.search(10, 10**6, filtered=False)["params"] == {"nprobe": ALL_LISTS}
    assert lists.search(10, 10_000, filtered=True)["params"] == {"nprobe": ALL_LISTS}
    assert lists.search(10, 10_000, filtered=False)["params"] == {"nprobe": 8}
    # 200 wanted of 10,000: the probed lists shall hold ten times as many, 2,000 people, as 20 lists do.
    assert lists.search(200, 10_000, filtered=False)["params"] == {"nprobe": 20}
    assert lists.search(5000, 10_000, filtered=False)["params"] == {"nprobe": 100}
    assert IndexFacts.of(lists.as_property()) == lists
    assert IndexFacts.of({"other": "x"}) == exact
    assert lists.describe("2.3.5") == "IVF, Milvus 2.3.5: 100 lists, 8 probed, recall@10 0.985"
    assert exact.describe("2.3.5") == "exact, Milvus 2.3.5"
