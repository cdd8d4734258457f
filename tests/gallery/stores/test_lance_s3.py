"""A gallery in Lance's format in object storage: a local S3 server, which this process runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("lance")
pytest.importorskip("moto")

import boto3
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

from personsearch import Detections
from personsearch.errors import GalleryError
from personsearch.gallery.catalogue import Filters
from personsearch.gallery.stores.engine import Where
from personsearch.gallery.stores.lance import open_lance
from tests.gallery import toy
from tests.gallery.stores.lance_help import (
    check_toy_scenes,
    check_writers_of_the_same,
    opened,
    put,
    stored,
    vector,
)

BUCKET = "galleries"


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Yield a client of a server with an empty bucket, which the environment names."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a-key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    for name in ("AWS_ALLOW_HTTP", "AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    client = boto3.client("s3")
    client.create_bucket(Bucket=BUCKET)
    yield client
    client.close()
    server.stop()


def objects(client: Any) -> dict[str, bytes]:
    """Return what is stored under ``some/``; the servers of one process share their memory."""
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix="some/")
    names = [one["Key"] for page in pages for one in page.get("Contents", [])]
    return {name: client.get_object(Bucket=BUCKET, Key=name)["Body"].read() for name in names}


def test_the_server_lets_a_name_be_taken_once(bucket: Any) -> None:
    # What commits rest on; were it missing here, the tests below would prove nothing.
    bucket.put_object(Bucket=BUCKET, Key="manifest", Body=b"1", IfNoneMatch="*")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        bucket.put_object(Bucket=BUCKET, Key="manifest", Body=b"2", IfNoneMatch="*")


def test_a_gallery_in_a_bucket_is_written_searched_and_erased(bucket: Any) -> None:
    address = f"lance://s3://{BUCKET}/some/gallery"
    assert open_lance(address).meta() is None
    engine = opened(address)
    names = [f"nobody-else-is-called-{number:03d}" for number in range(30)]
    put(engine, names[:20])
    put(open_lance(address), names[10:])
    check_toy_scenes(engine, names)
    assert {name.split("/")[2] for name in objects(bucket)} == {"people.lance", "scenes.lance"}
    erased = next(name for name in names if len(toy.scene(name)))
    people = stored(erased, toy.scene(erased))[1]
    ids, _, _ = engine.nearest(vector(people[0])[None].astype("float32"), 1, Where(filters=Filters()))
    assert ids.tolist() == [[people[0].id]]
    secrets = [erased.encode(), *(one.embedding for one in people)]
    assert all(any(secret in data for data in objects(bucket).values()) for secret in secrets)
    engine.delete_scenes([erased])
    engine.delete_people([one.id for one in people])
    engine.purge()
    engine.tidy()
    assert not any(secret in data for data in objects(bucket).values() for secret in secrets)
    check_toy_scenes(open_lance(address), [name for name in names if name != erased])


def test_an_index_is_made_in_a_bucket(bucket: Any) -> None:
    engine = opened(f"lance://s3://{BUCKET}/indexed")
    embeddings = toy.unit_rows(300, toy.DIM, seed=1, spread=0.1, centres=30)
    sizes = {"boxes": np.zeros((300, 4), np.float32), "scores": np.ones(300, np.float32), "image_size": (9, 9)}
    scene, people = stored("all", Detections(embeddings=embeddings, **sizes))
    engine.put_people(people)
    engine.put_scenes([scene])
    engine.rebuild("ivf")
    assert engine.describe().startswith("IVF, Lance: ")
    ids, _, _ = engine.nearest(
        np.stack([vector(one) for one in people]).astype(np.float32), 1, Where(filters=Filters())
    )
    assert np.mean(ids[:, 0] == [one.id for one in people]) >= 0.97


def test_writers_in_a_bucket_leave_each_scene_once(bucket: Any, tmp_path: Path) -> None:
    address = f"lance://s3://{BUCKET}/gallery"
    work = [[f"s{number}-{one}" for one in range(6)] for number in range(4)]
    check_writers_of_the_same(address, work, tmp_path, 2)


@pytest.mark.slow  # Lance asks again for 15 s
def test_errors_of_a_bucket_say_where_and_hold_no_keys(bucket: Any) -> None:
    with pytest.raises(GalleryError, match="lance://s3://not-there/gallery: ") as caught:
        opened("lance://s3://not-there/gallery")
    assert "a-secret" not in str(caught.value)
