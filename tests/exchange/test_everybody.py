from dataclasses import replace

from personsearch.exchange.everybody import newcomers, with_everybody
from personsearch.exchange.records import ExportedPerson

ANNA = ExportedPerson(box=(10, 10, 30, 70), score=0.9, person_id=7, detection_id=3)
BEN = ExportedPerson(box=(50, 10, 70, 70), score=0.8, person_id=8, detection_id=4)


def test_each_stored_person_takes_the_box_that_is_theirs() -> None:
    found = [(12.0, 10.0, 31.0, 70.0), (90.0, 10.0, 110.0, 70.0), (50.0, 11.0, 70.0, 70.0)]
    assert newcomers([ANNA.box, BEN.box], found).tolist() == [1]


def test_someone_beside_a_stored_person_is_somebody_else() -> None:
    assert newcomers([ANNA.box], [(25.0, 10.0, 45.0, 70.0)]).tolist() == [0]  # IoU 5/35


def test_nobody_found_or_nobody_stored() -> None:
    assert newcomers([ANNA.box], []).tolist() == []
    assert newcomers([], [(1.0, 2.0, 3.0, 4.0)]).tolist() == [0]


def test_nobody_is_in_a_scene_twice() -> None:
    new = ExportedPerson(box=(90, 10, 110, 70), score=0.6, person_id=9, name="Cora", track_id=2)
    unknown = ExportedPerson(box=(0, 0, 5, 9), score=0.5)
    as_anna, again = replace(new, person_id=7), replace(new, box=(120, 10, 140, 70))
    nobody = {"person_id": None, "name": None, "track_id": None}
    assert with_everybody([ANNA], [as_anna, unknown, new, again]) == (
        ANNA,
        replace(as_anna, **nobody),
        unknown,
        new,
        replace(again, **nobody),
    )
