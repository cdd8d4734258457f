"""Fine-tune the shipped weights on annotated scenes of your own cameras.

    python examples/finetune_own.py [ANNOTATIONS.json]

Without an argument it learns from the dozen bundled scenes for two epochs: enough to see how it goes, not to get
better. For a real run leave the overrides out; docs/fine-tuning.md shows one.
"""

import sys

from personsearch import PersonSearcher
from personsearch.demo import demo_folder
from personsearch.train import finetune, load_finetune, read_status

own = len(sys.argv) > 1
changes = [f"data.annotations={sys.argv[1] if own else demo_folder() / 'scenes.json'}"]
if not own:
    changes += ["schedule.epochs=2", "run.log_every=1", "run.num_workers=0", "run.out=demo-run"]
config = load_finetune("own-finetune", changes)
weights = finetune(config)

for step, loss in read_status(weights.parent).losses:
    print(f"step {step}: loss {loss:.3f}")
searcher = PersonSearcher.from_pretrained(weights)
print(f"{searcher.config.name}, fingerprint {searcher.spec.fingerprint[:12]}: a gallery of its own is needed")
