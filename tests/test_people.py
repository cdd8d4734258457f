import pytest

from personsearch.people import Decision, numbers_text


@pytest.mark.parametrize(
    ("what", "people", "name", "text"),
    [
        ("merge", (3, 7), None, "people 3 and 7 are one person"),
        ("merge", (3, 7, 3, 9), None, "people 3, 7 and 9 are one person"),
        ("split", (3, 12), None, "person 12 is somebody else than person 3"),
        ("name", (3,), "Anna", "person 3 is called Anna"),
        ("name", (3,), None, "person 3 has no name"),
    ],
)
def test_a_decision_in_words(what: str, people: tuple[int, ...], name: str | None, text: str) -> None:
    assert Decision(decision_id=1, what=what, made=0.0, people=people, name=name).text == text  # type: ignore[arg-type]


def test_numbers_in_words() -> None:
    assert [numbers_text(some) for some in ([], [3], [3, 7], [3, 7, 9, 3])] == ["", "3", "3 and 7", "3, 7 and 9"]
