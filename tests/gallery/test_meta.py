import pytest
from hypothesis import given
from hypothesis import strategies as st

from personsearch.gallery.meta import meta_of, spec_of, without_revision
from personsearch.results import Spec
from tests.gallery.toy import spec

specs = st.builds(
    Spec,
    name=st.text(),
    revision=st.none() | st.text("0123456789abcdef", min_size=40, max_size=40),
    fingerprint=st.text("0123456789abcdef", min_size=64, max_size=64),
    embedding_size=st.integers(1, 4096),
    fast_decode=st.booleans(),
)


@given(specs)
def test_what_is_recorded_is_read(spec: Spec) -> None:
    assert spec_of(meta_of(spec)) == spec


def test_the_rows_of_format_2_stay_as_they_are() -> None:
    """Written down from a gallery of the version before revisions were recorded."""
    meta = {
        "format": "2",
        "fingerprint": "f" * 64,
        "weights": "toy",
        "embedding_size": "16",
        "checksum": "3219732648",
    }
    assert meta_of(spec()) == meta
    assert spec_of(meta) == spec()
    recorded = meta_of(spec(revision="a1" * 20))
    assert without_revision(recorded) == meta
    assert recorded.keys() - meta.keys() == {"revision", "revision_checksum"}


def test_another_way_of_decoding_is_another_format_that_earlier_versions_refuse() -> None:
    meta = meta_of(spec(fast_decode=True))
    assert meta["format"] == "3"
    assert meta.keys() == meta_of(spec()).keys()
    with pytest.raises(ValueError, match="the description of its weights has changed"):
        spec_of({**meta, "format": "2"})


@pytest.mark.parametrize("key", ["format", "fingerprint", "weights", "embedding_size", "checksum"])
def test_a_changed_row_is_noticed(key: str) -> None:
    meta = meta_of(spec(revision="a1" * 20))
    for changed in ({**meta, key: meta[key][:-1] + "7"}, {**meta, key: b"7"}, {k: meta[k] for k in meta if k != key}):
        with pytest.raises(ValueError, match="the description of its weights has changed"):
            spec_of(changed)


def test_a_changed_revision_is_noticed() -> None:
    meta = meta_of(spec(revision="a1" * 20))
    for changed in ({"revision": "b1" * 20}, {"revision_checksum": "7"}, {"revision": b"a1"}):
        with pytest.raises(ValueError, match="the revision of its weights has changed"):
            spec_of({**meta, **changed})
        assert spec_of(without_revision({**meta, **changed})) == spec()


@pytest.mark.parametrize("key", [None, b"revision", 7])
def test_keys_that_damage_has_changed_do_no_harm(key: object) -> None:
    meta = {**meta_of(spec(revision="a1" * 20)), key: "x"}
    assert spec_of(without_revision(meta)) == spec()  # type: ignore[arg-type]
