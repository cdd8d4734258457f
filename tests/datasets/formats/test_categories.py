import pytest

from personsearch.datasets.formats.categories import chosen_people, listed, number_of, unknown_names


@pytest.mark.parametrize(
    ("counts", "people"),
    [
        ({"person": 5, "dog": 3}, {"person"}),
        ({"Pedestrian": 5, "PEOPLE": 1, "dog": 3}, {"Pedestrian", "PEOPLE"}),
        ({"people": 0, "staff": 104}, {"staff"}),  # a root that nothing has
        ({"worker": 7, "visitor": 0}, {"worker"}),
        ({"person 7": 2, "Person": 1, "dog": 1}, {"person 7", "Person"}),
        ({"person": 0, "dog": 0}, {"person"}),
        ({"staff": 0, "dog": 0}, set()),
        ({}, set()),
    ],
)
def test_categories_in_use_decide(counts: dict[str, int], people: set[str]) -> None:
    assert chosen_people(counts, None) == people


def test_a_choice_is_asked_for_where_it_is_unclear() -> None:
    with pytest.raises(ValueError, match=r"person: visitor \(9\), worker \(7\), person \(0\); say .*--people NAME"):
        chosen_people({"worker": 7, "visitor": 9, "person": 0}, None)


def test_names_that_are_given_decide() -> None:
    counts = {"Worker": 7, "visitor": 9, "person": 3}
    assert chosen_people(counts, [" worker", "VISITOR "]) == {"Worker", "visitor"}
    assert unknown_names(counts, ["worker"]) == unknown_names(counts, None) == ""
    assert unknown_names(counts, ["worker", "dog"]) == "has no category dog; it has visitor (9), Worker (7), person (3)"
    assert unknown_names({}, ["dog"]) == "has no category dog; it has none"


def test_long_lists_are_cut() -> None:
    assert listed({f"c{n}": n for n in range(15)}).endswith("c3 (3) and 3 more")


def test_the_person_in_a_category() -> None:
    assert [number_of(name) for name in ("person 7", "Person_08", "person", "persons 7", f"person {'9' * 5000}")] == [
        7,
        8,
        None,
        None,
        None,
    ]
