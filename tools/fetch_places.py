"""Fetch the photographs of places that the shipped weights were trained with, each from its own source.

    python tools/fetch_places.py places/
    python tools/fetch_places.py places/ --kinds panorama,place --licence CC0-1.0

Run it again to continue: what is there is skipped, half a download is resumed. ``places/`` then serves as
``places.photos`` of a recipe, ``places/textures`` as ``randomise.textures``. docs/places.md says more.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import urldefrag

from downloads import MIB, DownloadError, Downloads, StoppedError
from filelock import FileLock, Timeout
from place_list import Kind, Picture, check_opencv, is_there, make_file, read_list, with_authors, write_list

from personsearch.durable import sha256_of, write_durably
from personsearch.errors import ConfigError, DatasetError, ImageError, PersonSearchError
from personsearch.progress import Progress

LIST = Path(__file__).with_name("places.json")
MANIFEST, ATTRIBUTION, CELLS, REPORT = "manifest.json", "ATTRIBUTION.md", "cells.json", "REPORT.txt"
#: Most pictures of a state that are printed; the report in the folder names all.
PRINTED = 20
#: Half-done downloads and the lock; a folder that no reader of the collection looks into.
WORK = ".fetching"
KINDS = get_args(Kind)
LICENCES = {
    "CC0-1.0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "CC-BY-2.0": "https://creativecommons.org/licenses/by/2.0/",
    "CC-BY-3.0": "https://creativecommons.org/licenses/by/3.0/",
    "CC-BY-4.0": "https://creativecommons.org/licenses/by/4.0/",
}

State = Literal["fetched", "there", "gone", "refused", "by hand"]
#: How the report names the states, in its order.
TITLES: dict[State, str] = {
    "fetched": "fetched",
    "there": "there already",
    "gone": "gone",
    "refused": "refused",
    "by hand": "to fetch by hand",
}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a picture.

    Attributes:
        reasons: why it is not there, an address each.
        origin: address and sha256 of the original; empty where it was not fetched in this run.
    """

    picture: Picture
    state: State
    reasons: tuple[str, ...] = ()
    origin: tuple[str, str] | tuple[()] = ()


def fetch(picture: Picture, out: Path, downloads: Downloads) -> Outcome:
    """Put one picture into the collection.

    Raises:
        StoppedError: the downloads were stopped.
        OSError: the folder cannot be written.
    """
    path = out / picture.file
    if is_there(picture, path):
        return Outcome(picture=picture, state="there")
    adopted = _adopt(picture, path)
    if adopted.state == "there" or not picture.addresses:
        return adopted
    reasons, gone = [], True
    for address in picture.addresses:
        part = out / WORK / hashlib.sha256(f"{picture.file} {address}".encode()).hexdigest()[:32]
        try:
            downloads.fetch(address, part)
            digest = sha256_of(part)
            if picture.sha256 not in (None, digest):
                raise ImageError(f"is not the file that the list means: its sha256 is {digest}, not {picture.sha256}")
            data = make_file(picture, part, urldefrag(address).fragment)
        except PersonSearchError as error:
            reasons.append(f"{address}: {error}")
            gone = gone and isinstance(error, DownloadError) and error.gone
            if not isinstance(error, DownloadError):
                _forget(part)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_durably(path, data)
            _forget(part)
            return Outcome(picture=picture, state="fetched", origin=(address, digest))
    return Outcome(picture=picture, state="gone" if gone else "refused", reasons=tuple(reasons))


def _adopt(picture: Picture, path: Path) -> Outcome:
    """Bring a picture that somebody put there by hand to the list's size."""
    if not path.is_file():
        return Outcome(picture=picture, state="by hand", reasons=(f"{picture.page}: {picture.by_hand}",))
    try:
        write_durably(path, make_file(picture, path))
    except PersonSearchError as error:
        return Outcome(picture=picture, state="refused", reasons=(f"{path}: {error}",))
    return Outcome(picture=picture, state="there")


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    part.with_name(part.name + ".version").unlink(missing_ok=True)


def fetch_all(
    pictures: Sequence[Picture], out: Path, downloads: Downloads, *, jobs: int, listed: Sequence[Picture]
) -> list[Outcome]:
    """Fetch pictures, ``jobs`` at a time.

    However it ends, manifest and attribution tell of everything that is in the folder.

    Args:
        pictures: to fetch.
        out: the collection.
        downloads: fetches addresses.
        jobs: pictures at a time.
        listed: the whole list, of which earlier runs may have fetched others.

    Raises:
        OSError: the folder cannot be written.
        KeyboardInterrupt: the user stopped it.
    """
    futures: list[Future[Outcome]] = []
    try:
        with ThreadPoolExecutor(jobs) as pool, Progress(len(pictures), label="pictures") as progress:
            try:
                futures += [pool.submit(fetch, picture, out, downloads) for picture in pictures]
                for future in as_completed(futures):
                    future.result()
                    progress.advance()
            except BaseException:
                progress.show("stopping")  # a silent server is waited for until its timeout
                downloads.stop()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    finally:
        done = [future for future in futures if not future.cancelled() and future.exception() is None]
        origins = {outcome.picture.file: outcome.origin for outcome in (future.result() for future in done)}
        write_records(out, read_manifest(out), listed, origins)
    return [future.result() for future in futures]


def read_manifest(out: Path) -> dict[str, dict[str, Any]]:
    """Return the rows of a collection's manifest by file; none where there is no manifest.

    Raises:
        DatasetError: it is not a list of tables with ``file``.
    """
    path = out / MANIFEST
    if not path.is_file():
        return {}
    try:
        return {str(row["file"]): dict(row) for row in json.loads(path.read_text(encoding="utf-8"))}
    except (ValueError, TypeError, KeyError):
        raise DatasetError(f"{path}: is not a list of tables with file; correct it, or move it away") from None


def write_records(
    out: Path,
    before: dict[str, dict[str, Any]],
    pictures: Sequence[Picture],
    origins: Mapping[str, tuple[str, str] | tuple[()]],
) -> None:
    """Write manifest, attribution and the tiles of sheets for all that is in the folder.

    Args:
        out: the collection.
        before: its manifest's rows; those of pictures that are not in the list are kept.
        pictures: of the list.
        origins: address and sha256 of what was fetched just now, by file.

    Raises:
        OSError: the folder cannot be written.
    """
    rows = {file: row for file, row in before.items() if (out / file).is_file()}
    for picture in pictures:
        if is_there(picture, out / picture.file):
            rows[picture.file] = _row(picture, rows.get(picture.file, {}), origins.get(picture.file, ()))
        else:
            rows.pop(picture.file, None)
    write_durably(out / MANIFEST, (json.dumps(list(rows.values()), indent=1, ensure_ascii=False) + "\n").encode())
    write_durably(out / ATTRIBUTION, _attribution(rows.values()).encode())
    sheets: dict[Path, dict[str, Any]] = {}
    for picture in pictures:
        if picture.cells and picture.file in rows:
            path = out / picture.file
            sheets.setdefault(path.parent, {})[path.stem] = picture.cells
    for folder, cells in sheets.items():
        write_durably(folder / CELLS, json.dumps(cells).encode())


def _row(picture: Picture, before: dict[str, Any], origin: tuple[str, str] | tuple[()]) -> dict[str, Any]:
    left_out = {"page", "addresses", "by_hand", "sha256", "cells", "open_images"}
    row = {"people": "none", **picture.model_dump(exclude=left_out, exclude_none=True), "url": picture.page}
    if picture.author is None:  # what an earlier run found in Open Images' metadata
        row |= {key: before[key] for key in ("author", "title", "url") if before.get("author")}
    address, digest = origin or (before.get("address"), before.get("original_sha256"))
    return row | ({"address": address, "original_sha256": digest} if address else {})


def _attribution(rows: Iterable[dict[str, Any]]) -> str:
    lines = [
        "# Attribution",
        "",
        "Pictures under Creative Commons Attribution and their authors. Larger originals were scaled down.",
        "The tables of Open Images name the authors of its photographs; `fetch_places.py --authors` fills them in.",
        "",
    ]
    free = 0
    for row in rows:
        if not str(row.get("licence", "")).startswith("CC-BY"):
            free += 1
            continue
        licence = f"[{row['licence']}]({LICENCES[row['licence']]})" if row["licence"] in LICENCES else row["licence"]
        title = row.get("title") or row.get("scene") or "untitled"
        author = row.get("author") or "author not known"
        lines.append(f"- `{row['file']}`: {title}, by {author}, {licence}, {row.get('url', '')}")
    lines += ["", f"Pictures in the public domain (CC0), which ask for no attribution: {free}.", ""]
    return "\n".join(lines)


def report(outcomes: Sequence[Outcome], out: Path, most: int | None = None) -> str:
    """Return what became of the pictures: a line of counts, then each that is not there, with the reason.

    Args:
        outcomes: of a run.
        out: the collection.
        most: pictures of each state that are named; None = all.
    """
    counts = [f"{sum(outcome.state == state for outcome in outcomes)} {title}" for state, title in TITLES.items()]
    lines = [f"{out}: " + ", ".join(counts)]
    for state in ("gone", "refused", "by hand"):
        of_state = [outcome for outcome in outcomes if outcome.state == state]
        if of_state:
            lines += ["", f"{TITLES[state].capitalize()}:"]
        for outcome in of_state[:most]:
            lines += [f"  {outcome.picture.file}", *(f"    {reason}" for reason in outcome.reasons)]
        if most is not None and len(of_state) > most:
            lines.append(f"  and {len(of_state) - most} more, see {out / REPORT}")
    if any(outcome.state == "by hand" for outcome in outcomes):
        lines += ["", f"Save those by hand under these names in {out} and run again; larger ones are scaled down."]
    return "\n".join(lines)


def recorded(pictures: Sequence[Picture], out: Path) -> bytes:
    """Return a list of the fetched pictures, each with the one address it came from and the original's sha256."""
    rows = read_manifest(out)
    pinned = []
    for picture in pictures:
        row = rows.get(picture.file, {})
        if row.get("original_sha256"):
            update = {"addresses": (row["address"],), "sha256": row["original_sha256"]}
            pinned.append(picture.model_copy(update=update))
    if not pinned:
        raise ConfigError(f"{out}: nothing there was fetched, so there is nothing to record")
    return write_list(tuple(pinned))


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder of the collection; made if need be")
    parser.add_argument("--list", type=Path, default=LIST, help="list of pictures (default: the one beside this tool)")
    parser.add_argument("--kinds", default=",".join(KINDS), help="some of %(default)s")
    parser.add_argument(
        "--licence", action="append", help="only pictures under this licence, such as CC0-1.0; repeatable"
    )
    parser.add_argument("--limit", type=_positive, help="only the first so many of them")
    parser.add_argument(
        "--jobs", type=_positive, default=4, help="downloads at a time, at most 2 per host (default: 4)"
    )
    parser.add_argument("--attempts", type=_positive, default=5, help="per address (default: 5)")
    parser.add_argument("--wait", type=float, default=1.0, help="seconds before the second attempt, doubled each time")
    parser.add_argument(
        "--timeout", type=float, default=30.0, help="seconds of silence that end an attempt (default: 30)"
    )
    parser.add_argument("--max-mib", type=float, default=64.0, help="largest download (default: 64)")
    parser.add_argument(
        "--authors",
        type=Path,
        action="append",
        default=[],
        metavar="CSV",
        help="a table of Open Images, such as train-images-boxable-with-rotation.csv, for author and title; repeatable",
    )
    parser.add_argument("--record", type=Path, metavar="FILE", help="write a list of what was fetched, with its sha256")
    return parser.parse_args(arguments)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def _chosen(pictures: Sequence[Picture], options: argparse.Namespace) -> tuple[Picture, ...]:
    kinds = [kind.strip() for kind in options.kinds.split(",")]
    for kind in kinds:
        if kind not in KINDS:
            raise ConfigError(f"--kinds {kind}: there is no such kind; kinds are {', '.join(KINDS)}")
    licences = {picture.licence for picture in pictures}
    for licence in options.licence or ():
        if licence not in licences:
            raise ConfigError(f"--licence {licence}: no picture has it; the list has {', '.join(sorted(licences))}")
    chosen = [p for p in pictures if p.type in kinds and p.licence in (options.licence or licences)]
    if not chosen:
        raise ConfigError(f"{options.list}: has no picture of these kinds under this licence; ask for others")
    return tuple(chosen[: options.limit])


def run(options: argparse.Namespace) -> int:
    """Do what the command line asks; returns the exit code.

    Raises:
        PersonSearchError: the list, an option or the folder is wrong.
        OSError: the folder cannot be written.
    """
    listed = read_list(options.list)
    if options.authors:
        listed = with_authors(listed, options.authors)
    pictures = _chosen(listed, options)
    check_opencv(pictures)
    downloads = Downloads(
        attempts=options.attempts,
        wait=options.wait,
        timeout=options.timeout,
        max_bytes=int(options.max_mib * MIB),
    )
    (options.out / WORK).mkdir(parents=True, exist_ok=True)
    read_manifest(options.out)  # a broken one is reported before anything is fetched
    try:
        with FileLock(options.out / WORK / "lock", timeout=0):
            outcomes = fetch_all(pictures, options.out, downloads, jobs=options.jobs, listed=listed)
            write_durably(options.out / REPORT, (report(outcomes, options.out) + "\n").encode())
            if options.record is not None:
                write_durably(options.record, recorded(listed, options.out))
    except Timeout:
        raise DatasetError(
            f"{options.out}: another process fetches into it; wait for it, or give another folder"
        ) from None
    print(report(outcomes, options.out, PRINTED))
    return 0 if all(outcome.state in ("fetched", "there") for outcome in outcomes) else 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns 0 if all that was asked for is there, 1 if not, 130 if the user stopped it."""
    options = _arguments(arguments)
    try:
        return run(options)
    except PersonSearchError as error:
        print(error, file=sys.stderr)
    except OSError as error:
        print(f"{error.filename or options.out}: {error.strerror or error}", file=sys.stderr)
    except (KeyboardInterrupt, StoppedError):
        print(f"{options.out}: stopped; run the same command again to continue", file=sys.stderr)
        return 130
    return 1


if __name__ == "__main__":
    sys.exit(main())
