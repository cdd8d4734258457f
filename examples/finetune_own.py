"""Fine-tune the shipped weights on annotated scenes of your own cameras.

    python examples/finetune_own.py [ANNOTATIONS.json]

Without an argument it trains on the dozen bundled scenes for two epochs: enough to see how it works, not enough to
improve the weights. docs/fine-tuning.md shows a real run.
"""

import sys

from personsearch import PersonSearcher
from personsearch.demo import demo_folder
from personsearch.train import finetune, load_finetune, read_status

if len(sys.argv) > 1:
    overrides = [f"data.annotations={sys.argv[1]}"]
else:
    overrides = [f"data.annotations={demo_folder() / 'scenes.json'}", "run.out=demo-run", "run.log_every=1"]
    overrides += ["schedule.epochs=2", "run.num_workers=0"]
weights = finetune(load_finetune("own-finetune", overrides))

for step, loss in read_status(weights.parent).losses:
    print(f"step {step}: loss {loss:.3f}")
searcher = PersonSearcher.from_pretrained(weights)
print(f"{searcher.config.name}, fingerprint {searcher.spec.fingerprint[:12]}: a gallery of its own is needed")
