#!/usr/bin/env bash
# What to run on the day that a GPU is there, in this order, the quickest first; about half an hour on a large one.
#
#     tools/gpu_check.sh OUT        in an environment with personsearch[synth,evaluate,test]
#
# Every part writes its output to a file in OUT, and the parts go on when one fails. Exits with the number that failed.
set -uo pipefail
: "${1:?give a folder for what it writes}"
out=$(realpath -m "$1")
cd "$(dirname "$0")/.." && mkdir -p "$out" || exit 1
failed=0

part() { # NAME COMMAND...
    local name=$1 status=0
    shift
    echo "== $name: $*"
    "$@" >"$out/$name.txt" 2>&1 || status=$?
    tail -n 3 "$out/$name.txt"
    [ "$status" -eq 0 ] || { echo "-- $name failed with status $status: $out/$name.txt"; failed=$((failed + 1)); }
}

python - <<'SEEN' || exit 1
import sys, torch
if not torch.cuda.is_available():
    sys.exit(f"torch {torch.__version__} sees no CUDA device on this machine")
print(f"torch {torch.__version__} on {torch.cuda.get_device_name()}")
SEEN
part fake python -m pytest -q -o addopts= -m 'not slow and not gpu' tests/fast   # the fake device beside a real one
part gpu python -m pytest -q -o addopts= -m gpu         # parity, waiting, memory, mixed precision; one test at a time
part demo python -m personsearch demo --device cuda --out "$out/demo.jpg"
part speed python benchmarks/speed.py --device cuda --presets stl-mrfp-small --sizes 960x640 --tables speed --repeats 5
part training python -m personsearch train from-scratch "$out/tiny" --budget tiny --device cuda
part figures python benchmarks/speed.py --device cuda --batch 1 4 16 --people 8 32 --json
echo "$failed parts failed; the output is in $out"
exit "$failed"
