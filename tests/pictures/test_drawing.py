import numpy as np
import pytest
from PIL import Image

from personsearch import Detections, draw
from personsearch.pictures.drawing import GAP, MATCH, NOTHING, TILE, Tile, in_context, match_rows, titled_row, wrapped


def detections(*boxes: tuple[float, float, float, float]) -> Detections:
    n = len(boxes)
    return Detections(
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
        scores=np.linspace(0.9, 0.5, n, dtype=np.float32),
        embeddings=np.eye(n, 4, dtype=np.float32),
        image_size=(200, 300),
    )


def test_boxes_are_drawn_on_a_copy() -> None:
    scene = np.full((200, 300, 3), 7, np.uint8)
    picture = np.asarray(draw(scene, detections((50, 60, 120, 180))))
    assert picture.shape == scene.shape
    assert (scene == 7).all()
    for y, x in ((120, 50), (120, 120), (180, 80)):  # left, right and lower edge; the label is at the upper one
        assert picture[y, x].tolist() == list(MATCH)
    assert picture[120, 80].tolist() == [7, 7, 7]


def test_the_channel_order_of_an_array_is_kept() -> None:
    bgr = np.zeros((200, 300, 3), np.uint8)
    bgr[..., 0] = 255
    assert np.asarray(draw(bgr, detections(), channel_order="BGR"))[5, 5].tolist() == [0, 0, 255]


def test_labels_of_boxes_at_the_edge_stay_inside_the_picture() -> None:
    scene = np.zeros((200, 300, 3), np.uint8)
    corner = detections((290, 0, 300, 30))
    plain = np.asarray(draw(scene, corner, [""]))
    labelled = np.asarray(draw(scene, corner, ["a long label"]))
    changed = np.flatnonzero((plain != labelled).any(axis=(0, 2)))
    assert changed.min() > 200
    assert changed.max() >= 297  # the label ends at the edge


def test_another_number_of_labels_is_refused() -> None:
    with pytest.raises(ValueError, match="2 labels for 1 boxes"):
        draw(np.zeros((200, 300, 3), np.uint8), detections((1, 1, 9, 9)), ["a", "b"])


def tile(box: tuple[float, float, float, float], size: tuple[int, int] = (400, 500)) -> Tile:
    scene = Image.new("RGB", size, (10, 20, 30))
    scene.paste((200, 0, 0), tuple(round(side) for side in box))  # type: ignore[arg-type]
    return Tile(image=scene, box=box, title="title", subtitle="subtitle")


def test_a_person_is_shown_in_context_framed_and_centred() -> None:
    picture = np.asarray(in_context(tile((180, 150, 220, 300))))
    assert picture.shape == (TILE[1], TILE[0], 3)
    red = (picture == [200, 0, 0]).all(axis=2)
    rows, columns = np.flatnonzero(red.any(axis=1)), np.flatnonzero(red.any(axis=0))
    assert abs(rows.mean() - TILE[1] / 2) < 4
    assert abs(columns.mean() - TILE[0] / 2) < 4
    assert (picture == MATCH).all(axis=2).any()
    assert (picture == [10, 20, 30]).all(axis=2).any()  # some of the scene


def test_beyond_the_edge_of_a_small_scene_a_tile_is_grey() -> None:
    picture = np.asarray(in_context(tile((0, 0, 20, 60), size=(40, 60))))
    assert (picture == NOTHING).all(axis=2).any()


def test_rows_of_tiles_make_a_sheet_wide_enough_for_the_longest() -> None:
    tiles = [tile((180, 150, 220, 300))] * 8
    rows = wrapped(tiles, columns=5)
    assert [len(row) for row in rows] == [5, 3]
    sheet, headed = match_rows(rows), match_rows(rows, "heading")
    assert sheet.width == GAP + 5 * (TILE[0] + GAP)
    assert headed.height > sheet.height


def test_a_text_that_is_too_long_is_shortened_and_stays_in_its_tile() -> None:
    one = tile((180, 150, 220, 300))
    long = Tile(image=one.image, box=one.box, title="x" * 300, subtitle="y" * 300)
    sheet = np.asarray(match_rows([[long]]))
    assert (sheet[:, -GAP:] == 255).all()


def test_titled_pictures_stand_side_by_side() -> None:
    pictures = [("red", Image.new("RGB", (60, 40), (255, 0, 0))), ("blue", Image.new("RGB", (60, 40), (0, 0, 255)))]
    sheet = np.asarray(titled_row(pictures))
    assert sheet[GAP + 5, GAP + 5].tolist() == [255, 0, 0]
    assert sheet[GAP + 5, 2 * GAP + 65].tolist() == [0, 0, 255]
