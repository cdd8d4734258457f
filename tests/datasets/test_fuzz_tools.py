"""Exports of annotation tools as no tool would write them: each is read or refused, and every row is accounted for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.datasets.layouts import blank
from tests.datasets.test_fuzz import both_ways, mostly, numbers, quick, value

IMAGES = ["a.png", "/data/local-files/?d=a.png", "b.png", "../../x", "http://[", "s3://b/\0", ""]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return blank(tmp_path_factory.mktemp("fuzz") / "a.png", 100, 80).parent


def parts(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Draw an object with some of these fields, each of which may be anything now and then."""
    return mostly(st.fixed_dictionaries({}, optional={name: mostly(field, 20) for name, field in fields.items()}), 20)


percent = st.floats(0, 100)
shape = parts(
    x=percent,
    y=percent,
    width=percent,
    height=percent,
    rotation=st.sampled_from([0, 0, 0, 30, 360]),
    rectanglelabels=st.lists(st.sampled_from(["person", "person 3", "ignore", "dog"]), max_size=2),
    points=st.just([[1, 2]]),
)
result = parts(
    id=st.sampled_from(["a", "b", 1]),
    type=st.sampled_from(["rectanglelabels", "rectangle", "polygonlabels", "relation"]),
    original_width=st.just(100),
    original_height=st.just(80),
    image_rotation=st.sampled_from([0, 0, 0, 90]),
    from_name=st.sampled_from(["label", "person_id", "ignore"]),
    value=st.one_of(
        shape, parts(text=st.lists(st.sampled_from(["1", "x", ""]), max_size=2), number=numbers, choices=value)
    ),
)
annotation = parts(
    result=st.lists(result, max_size=4), was_cancelled=st.booleans(), ground_truth=value, updated_at=st.text(max_size=2)
)
data = parts(image=st.sampled_from(IMAGES), width=numbers, height=numbers, time=numbers, camera=value, scene=value)
task = parts(
    id=st.integers(1, 3), data=data, annotations=st.lists(annotation, max_size=3), completions=st.lists(annotation)
)


@quick
@given(
    tasks=st.lists(task, min_size=1, max_size=4),
    there=st.booleans(),
    people=st.sampled_from([None, None, ["dog"]]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_label_studio_files(folder: Path, tasks: list[Any], there: bool, people: Any, encoding: str) -> None:
    path = folder / "tasks.json"
    path.write_bytes(json.dumps(tasks).encode(encoding))
    both_ways(
        path,
        ("is called person", "has no category", "JSON-MIN"),
        format="label-studio",
        people=people,
        require_images=there,
    )


word = st.sampled_from(
    ["", "0", "7", "-1", "12.5", "99", "1e9", "nan", "true", "no", "x", "person", "person 3", "\u00e9"]
)
named = st.dictionaries(
    st.sampled_from(["name", "id", "width", "height", "label", "xtl", "ytl", "xbr", "ybr", "rotation"]), word
)
inner = st.tuples(st.sampled_from(["person_id", "ignore", "camera", "time"]), word).map(
    lambda pair: f'<attribute name="{pair[0]}">{pair[1]}</attribute>'
)


def element(tag: str, attributes: dict[str, str], inside: list[str]) -> str:
    given = "".join(f" {name}={quoteattr(text)}" for name, text in attributes.items())
    return f"<{tag}{given}>{''.join(inside)}</{tag}>"


BOX = {"label": "person", "xtl": "1", "ytl": "2", "xbr": "30", "ybr": "40"}
child = st.builds(
    lambda tag, changes, inside: element(tag, BOX | changes, inside),
    st.sampled_from(["box", "box", "box", "polygon", "tag", "remark"]),
    named,
    st.lists(inner, max_size=2),
)
image = st.builds(
    lambda name, changes, inside: element("image", {"name": name, "width": "100", "height": "80"} | changes, inside),
    st.sampled_from(["a.png", "b.png", "c.png"]),
    st.one_of(st.just({}), named),
    st.lists(child, max_size=4),
)


@quick
@given(images=st.lists(image, max_size=3), there=st.booleans())
def test_cvat_files(folder: Path, images: list[str], there: bool) -> None:
    path = folder / "annotations.xml"
    path.write_text(f"<annotations>{''.join(images)}</annotations>", encoding="utf-8")
    both_ways(path, ("is called person",), require_images=there)


@quick
@given(st.text(max_size=40))
def test_files_that_are_hardly_cvat(folder: Path, text: str) -> None:
    path = folder / "odd.xml"
    path.write_text(text, encoding="utf-8", errors="replace")
    both_ways(path, ("not valid XML", "is not CVAT's XML"))
