import re
from dataclasses import replace
from pathlib import Path
from typing import get_type_hints

import pytest

from personsearch.errors import ConfigError
from personsearch.evaluation import PRESETS, Rules, rules_of
from personsearch.evaluation.rules import Switches, presets_table

DOCS = Path(__file__).parents[2] / "docs/protocols.md"


def test_presets_are_found_by_name_and_differ() -> None:
    assert all(rules_of(name).name == name for name in PRESETS)
    assert {"standard", "seqnet", "alignps", "stl-author", "strict"} <= set(PRESETS)
    assert len({rules.hash for rules in PRESETS.values()}) == len(PRESETS)
    with pytest.raises(ConfigError, match="there is no preset 'coco'; presets are: standard, seqnet"):
        rules_of("coco")


def test_the_hash_is_of_the_switches_alone() -> None:
    standard = PRESETS["standard"]
    assert re.fullmatch(r"[0-9a-f]{12}", standard.hash)
    assert replace(standard, name="mine").hash == standard.hash
    changed = standard.changed(cameras="junk")
    assert changed.hash != standard.hash
    assert changed.label == f"standard, cameras=junk ({changed.hash})"
    assert changed.changed(cameras="all").hash == standard.hash


def test_the_standard_hash_is_fixed() -> None:
    # Figures are compared by hash: adding or renaming a switch would make old figures incomparable.
    assert PRESETS["standard"].hash == "bdd517b1689f"


def test_switches_that_do_not_exist() -> None:
    with pytest.raises(ConfigError, match="no switch 'camera'; switches are: absent_person"):
        PRESETS["standard"].changed(camera="junk")
    with pytest.raises(ConfigError, match="ties must be one of 'stable', 'reversed', 'last', got 'first'"):
        Rules(name="mine", ties="first")  # type: ignore[arg-type]


def test_the_documented_table_matches_the_code() -> None:
    assert presets_table() in DOCS.read_text(encoding="utf-8")


def test_the_keywords_of_changed_are_the_switches() -> None:
    hints = get_type_hints(Rules)
    assert get_type_hints(Switches) == {key: hints[key] for key in PRESETS["standard"].switches}


def test_every_switch_is_documented() -> None:
    documented = Rules.__doc__ or ""
    assert all(f"{key}: " in documented for key in PRESETS["standard"].switches)
