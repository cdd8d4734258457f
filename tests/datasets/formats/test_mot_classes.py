import pytest

from personsearch.datasets.formats.mot_classes import classes_of

BOX = [1.0, 5.0, 10.0, 20.0, 30.0, 40.0]


def rows(*ends: tuple[float, ...]) -> list[list[float]]:
    """Make rows of a frame, a track, a box and these flags, classes and so on."""
    return [BOX + [float(value) for value in end] for end in ends]


@pytest.mark.parametrize(
    ("ends", "people"),
    [
        (((1, 1, 1.0), (0, 1, 0.2), (1, 3, 1.0), (1, 7, 0.5)), [True, True, False, False]),  # MOTChallenge's own
        (((1, 3, 1.0), (1, 3, 0.5)), [False, False]),  # all cars
        (((0.87, 0, -1), (0.5, 0, -1)), [True, True]),
        (((1, -1, -1), (1, -1, -1)), [True, True]),
        (((0.87, 7, -1), (0.5, 7, -1)), [True, True]),
        (((0.87, 0, -1), (0.5, 2, -1)), [True, False]),  # numbers of COCO from 0
        (((0.87, 1, -1), (0.5, 3, -1)), [True, False]),
        (((1, 1), (1, 3)), [True, False]),
        (((1,), (0.5,)), [True, True]),
        (((1, -1, -1, -1), (1, -1, -1, -1)), [True, True]),
        (((1, 3, -1, -1), (1, 3, -1, -1)), [True, True]),
        (((1, 1, -1, -1), (1, 3, -1, -1)), [True, False]),
        (((1, 3, 2.5, 0), (1, 1, 7.5, 0)), [True, True]),  # a position on the ground
        ((), []),
    ],
)
def test_which_rows_are_people(ends: tuple[tuple[float, ...], ...], people: list[bool]) -> None:
    classes = classes_of(rows(*ends), None, None)
    assert [classes.is_person(row) for row in range(len(ends))] == people


def test_what_the_account_says() -> None:
    own = classes_of(rows((1, 1, 1.0), (1, 3, 1.0)), None, None)
    assert (own.rule(1), own.note) == ("class 3 (car)", "")
    assert classes_of(rows((0.5, 0, -1)), None, None).note == "class 0 taken for people: no row has another"
    assert classes_of(rows((1, -1, -1)), None, None).note == ""
    assert classes_of(rows((0.87, 0, -1), (0.5, 62, -1)), None, None).rule(1) == "class 62"


@pytest.mark.parametrize(
    "ends",
    [((0.5, 0, -1), (0.5, 1, -1), (0.6, 1, -1)), ((0.5, 2, -1), (0.5, 5, -1)), ((0.5, -1, -1), (0.5, 1, -1))],
)
def test_what_is_unclear_is_asked(ends: tuple[tuple[float, ...], ...]) -> None:
    with pytest.raises(ValueError, match=r"unclear which class is people: .*\(1\).*--people NAME"):
        classes_of(rows(*ends), None, None)
    classes = classes_of(rows(*ends), None, [str(int(ends[0][1]))])
    assert [classes.is_person(row) for row in range(len(ends))] == [True] + [False] * (len(ends) - 1)


def test_labels_name_the_classes() -> None:
    table = rows((1, 1, 1.0), (1, 3, 1.0), (1, 2, 1.0))
    classes = classes_of(table, ["car", "dog", "person"], None)
    assert [classes.is_person(row) for row in range(3)] == [False, True, False]
    assert classes.rule(0) == "class 1 (car)"
    assert classes_of(table[:1], ["staff", "people"], None).is_person(0)
    chosen = classes_of(table, ["car", "dog", "person"], ["Dog"])
    assert [chosen.is_person(row) for row in range(3)] == [False, False, True]
    with pytest.raises(ValueError, match=r"none of the categories in use is called person: car \(1\), dog \(1\)"):
        classes_of([table[0], table[2]], ["car", "dog", "person"], None)


def test_names_of_motchallenge_can_be_chosen() -> None:
    classes = classes_of(rows((1, 1, 1.0), (1, 2, 1.0), (1, 3, 1.0)), None, ["pedestrian", "Person on vehicle"])
    assert [classes.is_person(row) for row in range(3)] == [True, True, False]
