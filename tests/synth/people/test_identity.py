"""Identities follow from seeds."""

import json

from personsearch.synth.people.identity import GROUP, other_outfit, sample_identity


def test_an_identity_follows_from_its_seed_and_can_be_written_as_json() -> None:
    for seed in (0, 7, 123456):
        assert sample_identity(seed) == sample_identity(seed)
        assert json.loads(json.dumps(sample_identity(seed).to_dict()))["seed"] == seed
    assert len({json.dumps(sample_identity(seed).to_dict()) for seed in range(200)}) == 200


def test_look_alikes_share_clothes_but_not_bodies() -> None:
    same = 0
    for group in range(40):
        members = [sample_identity(group * GROUP + k, look_alikes=1.0) for k in range(GROUP)]
        assert len({member.build for member in members}) == GROUP
        assert len({member.top.cut for member in members}) == 1
        same += len({member.top for member in members}) == 1
    assert 0 < same < 40  # some groups wear one outfit, in the others one thing differs
    alone = [sample_identity(seed) for seed in range(GROUP)]
    assert alone == [sample_identity(seed, look_alikes=0.0) for seed in range(GROUP)]


def test_switching_patterns_or_bags_off_changes_nothing_else() -> None:
    for seed in range(60):
        usual, plain, bare = (
            sample_identity(seed),
            sample_identity(seed, patterns=False),
            sample_identity(seed, bags=False),
        )
        assert plain.top.fabric.pattern == plain.bottom.fabric.pattern == "plain"
        assert plain.top.print_size == 0
        assert plain.top.fabric.colours == usual.top.fabric.colours
        assert bare.bag.kind == ""
        assert (bare.top, bare.build, plain.bag) == (usual.top, usual.build, usual.bag)


def test_another_outfit_is_worn_by_the_same_person() -> None:
    for seed in range(60):
        person = sample_identity(seed)
        changed = other_outfit(person)
        assert (changed.build, changed.head, changed.skin, changed.gait) == (
            person.build,
            person.head,
            person.skin,
            person.gait,
        )
        assert changed.top.cut != person.top.cut or changed.top.fabric != person.top.fabric
