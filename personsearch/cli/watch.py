"""The command that watches cameras: watch."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from personsearch.cli.common import Device, Weights, err, searcher_at
from personsearch.errors import ConfigError

if TYPE_CHECKING:
    from personsearch.live import Alert


def watch(
    cameras: Annotated[
        list[str],
        typer.Argument(
            metavar="CAMERA... GALLERY",
            help="rtsp:// and http:// streams, webcam:0, video files, TOML files of cameras; the gallery comes last.",
        ),
    ],
    fps: Annotated[float, typer.Option(help="Frames a second of each camera that are looked at.")] = 4.0,
    keep: Annotated[
        str | None, typer.Option(help="Erase what is older from the gallery: 12h, 7d, 2w. Default: nothing is erased.")
    ] = None,
    pictures: Annotated[
        bool, typer.Option("--pictures", help="Keep a JPEG of each stored scene and of each alert in the gallery.")
    ] = False,
    alert: Annotated[
        list[str] | None,
        typer.Option(help="Say when this person is seen: a name in the gallery, person:ID, or a picture; repeatable."),
    ] = None,
    max_false_match_rate: Annotated[
        float | None,
        typer.Option(help="Alert where at most this share of strangers look so alike. [default: 0.001]"),
    ] = None,
    min_similarity: Annotated[float | None, typer.Option(help="Alert from this similarity on, instead.")] = None,
    quiet: Annotated[str, typer.Option(help="Alert again about whom a camera has not seen for so long.")] = "30s",
    webhook: Annotated[
        list[str] | None, typer.Option(help="Post each alert as JSON to this address; repeatable.")
    ] = None,
    mqtt: Annotated[
        list[str] | None, typer.Option(help="Publish each alert: mqtt://host:port/topic; repeatable.")
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(help="When the video files begin: 2026-11-27T08:00:00Z. Default: times are positions."),
    ] = None,
    timeout: Annotated[str, typer.Option(help="Take a camera that is silent for so long for lost.")] = "10s",
    batch_size: Annotated[int, typer.Option(min=1, help="Frames that go through the network together at most.")] = 8,
    weights: Weights = None,
    device: Device = None,
) -> None:
    """Watch cameras, store who is before them, and alert: personsearch watch rtsp://cam/1 my-gallery/ --alert Lena.

    Goes on until Ctrl-C, or until all files have ended. Cameras that are lost are connected again for ever. Each alert
    is a line of JSON on the standard output, everything else goes to the standard error. The exit status is 1 if a
    camera could not be watched, or something was thrown away.
    """
    if len(cameras) < 2:
        raise ConfigError(
            "give the cameras first and the gallery's folder last: personsearch watch rtsp://camera/1 my-gallery/"
        )
    *sources, gallery = cameras
    _hide_passwords()
    from personsearch.listing import check_gallery
    from personsearch.live import Mqtt, Webhook, cameras_of, watch
    from personsearch.live.durations import moment_of, span_of
    from personsearch.live.report import status_of
    from personsearch.live.watching import Delivery

    # A mistake is reported before the network is loaded.
    watched = cameras_of(sources, start=None if start is None else moment_of(start, "--start"))
    kept = None if keep is None else span_of(keep, "--keep")
    pause, silence = span_of(quiet, "--quiet"), span_of(timeout, "--timeout")
    if (webhook or mqtt) and not alert:
        raise ConfigError("--webhook and --mqtt deliver alerts: say on whom (--alert)")
    check_gallery(gallery)
    deliveries: list[Delivery] = [*map(Webhook, webhook or ()), *map(Mqtt, mqtt or ())]
    searcher = searcher_at(Path(gallery), weights, device)
    with _until_told() as stop:
        report = watch(
            searcher,
            watched,
            Path(gallery),
            fps=fps,
            keep=kept,
            pictures=pictures,
            alerts=alert or (),
            min_similarity=min_similarity,
            max_false_match_rate=max_false_match_rate,
            quiet=pause,
            on_alert=_printer(stop),
            deliveries=deliveries,
            batch_size=batch_size,
            timeout=silence,
            stop=stop,
        )
    err.print(escape(status_of(report)), soft_wrap=True)
    if not report.complete:
        raise typer.Exit(1)


def _printer(stop: Event) -> Callable[[Alert], None]:
    def show(alert: Alert) -> None:
        try:
            sys.stdout.write(alert.to_json() + "\n")
            sys.stdout.flush()
        except BrokenPipeError:  # nobody reads them any more, as after `| head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            stop.set()

    return show


def _hide_passwords() -> None:
    """Take the passwords out of what a report of a fault would quote."""
    from personsearch.live.addresses import host_of

    sys.argv[:] = [host_of(one) if "://" in one else one for one in sys.argv]


@contextmanager
def _until_told() -> Iterator[Event]:
    """Yield what is set at Ctrl-C and SIGTERM; a second Ctrl-C interrupts whatever is going on."""
    stop = Event()

    def tell(number: int, _frame: Any) -> None:
        stop.set()
        signal.signal(number, before[signal.Signals(number)])
        err.print("ending; what was seen is being stored")

    before = {number: signal.signal(number, tell) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
