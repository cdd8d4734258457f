from personsearch.exchange.everybody import with_everybody
from personsearch.exchange.records import ExportedPerson

ANNA = ExportedPerson(box=(10, 10, 30, 70), score=0.9, person_id=7, detection_id=3)
BEN = ExportedPerson(box=(50, 10, 70, 70), score=0.8, person_id=8, detection_id=4)


def test_each_stored_person_takes_the_box_that_is_theirs() -> None:
    found = [((12.0, 10.0, 31.0, 70.0), 0.95), ((90.0, 10.0, 110.0, 70.0), 0.6), ((50.0, 11.0, 70.0, 70.0), 0.7)]
    assert with_everybody([ANNA, BEN], found) == (ANNA, BEN, ExportedPerson(box=(90, 10, 110, 70), score=0.6))


def test_someone_beside_a_stored_person_is_somebody_else() -> None:
    # IoU with Anna: 5/35.
    beside = ((25.0, 10.0, 45.0, 70.0), 0.9)
    assert len(with_everybody([ANNA], [beside])) == 2


def test_nobody_found_or_nobody_stored() -> None:
    assert with_everybody([ANNA], []) == (ANNA,)
    assert with_everybody([], [((1.0, 2.0, 3.0, 4.0), 0.5)]) == (ExportedPerson(box=(1, 2, 3, 4), score=0.5),)
