"""Functions that run in processes of their own, each with a fresh Hub client: it reads its settings on import.

The processes are forked from one that has torch loaded already but not the client, so they start in a fraction of a
second. Between retries the client does not wait.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

Result = dict[str, Any]
#: Calls a function of this module with arguments in a new process; keywords are settings of its environment.
Child = Callable[..., Result]

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(
    ["pytest", "torch", "torchvision", "personsearch.gallery", "personsearch.runner", "personsearch.weights.files"]
)


def run(function: Callable[..., Result], *arguments: Any, environment: dict[str, str]) -> Result:
    """Call a function of this module in a new process.

    Args:
        function: returns the result.
        arguments: of the function.
        environment: settings of the Hub client; those of this process are not inherited.

    Returns:
        What the function returns; ``{"error": type, "text": message}`` where it raises an error of the package.
    """
    ours, theirs = _context.Pipe(duplex=False)
    process = _context.Process(target=_answer, args=(theirs, environment, function, arguments))
    process.start()
    theirs.close()
    with ours:
        try:
            result: Result = ours.recv()
        except EOFError:
            raise AssertionError(f"{function.__name__}{arguments}: the process failed; see its traceback") from None
        finally:
            process.join(timeout=120)
    return result


def _answer(
    connection: Connection, environment: dict[str, str], function: Callable[..., Result], arguments: tuple[Any, ...]
) -> None:
    if "huggingface_hub" in sys.modules:
        raise RuntimeError("the Hub client is loaded already and would ignore its settings")
    for key in [key for key in os.environ if key.startswith("HF_")]:
        del os.environ[key]
    os.environ.update(environment)
    time.sleep = lambda _: None
    from personsearch import PersonSearchError

    with connection:
        try:
            connection.send(function(*arguments))
        except PersonSearchError as error:
            connection.send({"error": type(error).__name__, "text": str(error)})


def pull(name: str, options: dict[str, Any]) -> Result:
    """Load weights with ``from_pretrained``."""
    from personsearch import PersonSearcher

    searcher = PersonSearcher.from_pretrained(name, device="cpu", **options)
    spec, calibration = searcher.spec, searcher.calibration
    return {
        "fingerprint": spec.fingerprint,
        "name": spec.name,
        "revision": spec.revision,
        "config": searcher.config.name,
        "calibration": None if calibration is None else calibration.dataset,
    }


def pull_entry(entry: str) -> Result:
    """Load weights by the name of an entry of ``weights.toml``, given as JSON."""
    from personsearch.weights import entries

    listed = entries.WeightsEntry.model_validate_json(entry)
    entries.list_weights = lambda: {"from-hub": listed}
    return pull("from-hub", {})


def push(folder: str, token: str | None) -> Result:
    """Publish the weights of a folder as org/new with ``push_to_hub``."""
    from personsearch import PersonSearcher

    searcher = PersonSearcher.from_pretrained(folder, device="cpu")
    return {"commit": searcher.push_to_hub("org/new", license="cc0-1.0", train_data="toys", token=token)}


def transfer(source: str, backbone: str, channels: int) -> Result:
    """Start step 1's network from weights, as a recipe's ``init`` does."""
    from personsearch.models import ReidNetwork
    from personsearch.train.transfer import transfer

    report = transfer(ReidNetwork(backbone, channels), source)
    return {"report": str(report), "loaded": len(report.loaded)}


def transfer_whole(source: str, config: str) -> Result:
    """Start a person-search network from weights, as a recipe's ``init`` does."""
    from personsearch.models import ModelConfig, build
    from personsearch.train.transfer import transfer

    report = transfer(build(ModelConfig.model_validate(json.loads(config))), source)
    return {"report": str(report), "fresh": list(report.fresh)}


def command(arguments: list[str]) -> Result:
    """Run a command of the command line; returns its exit status and what it printed."""
    import contextlib
    import io

    from personsearch.cli import main

    out, err = io.StringIO(), io.StringIO()
    sys.argv = ["personsearch", *arguments]
    status: object = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as leaving:
            status = leaving.code or 0
    return {"status": status, "out": out.getvalue(), "err": err.getvalue()}
