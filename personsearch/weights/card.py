"""The model card that ``push_to_hub`` writes for a repository without one."""

from __future__ import annotations

from collections.abc import Mapping

from personsearch.models import ModelConfig

_CARD = """---
license: {license}
library_name: personsearch
tags: [person-search, person-re-identification]
---

# {repo}

Person search in one network: detection and re-identification of people in whole scenes (STL + MRFP).

```python
from personsearch import PersonSearcher

searcher = PersonSearcher.from_pretrained("{repo}")  # better: "{repo}@<commit>"
```

| | |
| --- | --- |
| backbone | {backbone} |
| pooling | {pooling} |
| embedding | {embedding_size}-d |
| input | shorter side {min_size}, longer side at most {max_size} pixels |
| trained on | {train_data} |
| licence | {license} |
| fingerprint | `{fingerprint}` |

{metrics}

## Limits

A similarity is not a proof: the best match is often a stranger in similar clothes. Measure on your own annotated scenes
before relying on it, and do not use it to identify, track or profile people without a lawful basis and their knowledge.
"""


def model_card(
    repo: str,
    config: ModelConfig,
    fingerprint: str,
    *,
    license: str,
    train_data: str,
    metrics: Mapping[str, float] | None = None,
) -> str:
    """Return the text of a model card in Markdown.

    Args:
        repo: ``org/repo``.
        config: of the weights.
        fingerprint: of the weights, 64 hex digits.
        license: SPDX identifier, in the Hub's lower case.
        train_data: what the weights were trained on, in words.
        metrics: figure -> fraction, measured by ``personsearch evaluate``.
    """
    table = "No figures were given; measure them with `personsearch evaluate`."
    if metrics:
        rows = "\n".join(f"| {name} | {100 * value:.1f} |" for name, value in metrics.items())
        table = f"| figure | per cent |\n| --- | --- |\n{rows}"
    return _CARD.format(
        repo=repo,
        backbone=config.backbone,
        pooling=config.reid.pooling,
        embedding_size=config.embedding_size,
        min_size=config.input.min_size,
        max_size=config.input.max_size,
        license=license,
        train_data=train_data,
        fingerprint=fingerprint,
        metrics=table,
    )
