"""A Milvus server for tests: the standalone one of the package ``milvus``, in a process and a folder of its own.

A test takes the fixture ``milvus_server``, ``host:port`` of one that the tests of a file share, or starts its own
:class:`MilvusServer`. It answers sooner than others do, and does away with its old files sooner, see ``SETTINGS``.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

SETTINGS = (
    "proxy.timeTickInterval=20",  # ms that a strong read waits for
    "queryCoord.checkInterval=100",  # ms between looks at what is to be loaded
    "queryCoord.distPullInterval=100",
    "dataCoord.segment.assignmentExpiration=200",  # ms that a flush waits for writers
    "dataCoord.gc.interval=2",  # s between looks for files that are out of use
    "dataCoord.gc.dropTolerance=1",  # s for which such files stay
    "log.level=warn",
)
#: More of them, of which the package's configuration knows nothing: below which line of it they go.
_MORE = {
    "queryCoord:": "  checkSegmentInterval: 100\n  checkChannelInterval: 100\n  leaderViewUpdateInterval: 100\n",
    "  enableCompaction: true # Enable data segment compaction\n  compaction:": "    check:\n      interval: 0.2\n",
}
#: Seconds for it to start; it takes 8 on two quiet cores.
STARTED = 90


class MilvusServer:
    """A server that can be killed and started again in the same folder.

    Attributes:
        place: ``host:port`` of it.
        folder: where it keeps everything.
    """

    def __init__(self, folder: Path, *settings: str) -> None:
        self.folder = folder
        self._settings = (*SETTINGS, *settings)
        self._port = _free_port()
        self.place = f"127.0.0.1:{self._port}"
        self._keeper: subprocess.Popen[str] | None = None
        self._pid = 0

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [sys.executable, __file__, str(self.folder), str(self._port), *self._settings]
        self._keeper = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert self._keeper.stdout is not None
        line = self._keeper.stdout.readline()
        if not line.strip():
            self.stop()
            raise RuntimeError(f"Milvus did not start; see {self.folder / 'logs'}")
        self._pid = int(line)

    def kill(self) -> None:
        """Kill it at once."""
        os.kill(self._pid, signal.SIGKILL)
        self.stop()

    def stop(self) -> None:
        """End it, and whatever it started."""
        if self._keeper is None:
            return
        assert self._keeper.stdin is not None
        assert self._keeper.stdout is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._keeper.pid, signal.SIGKILL)
        self._keeper.wait()
        self._keeper.stdin.close()
        self._keeper.stdout.close()
        self._keeper = None


@pytest.fixture(scope="module")  # it takes a third of a core even when nobody asks it anything
def milvus_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield ``host:port`` of a server that the tests of this file share; skip where there is none."""
    need_milvus()
    for tries_left in (2, 1, 0):
        server = MilvusServer(tmp_path_factory.mktemp("milvus"))
        try:
            server.start()
        except RuntimeError:  # one of its dozen free ports was taken by somebody else before it came to it
            if not tries_left:
                raise
            continue
        try:
            yield server.place
        finally:
            server.stop()
            shutil.rmtree(server.folder, ignore_errors=True)  # 500 MB
        return


def need_milvus() -> None:
    """Skip a test where the server or its client is not installed."""
    for package in ("milvus", "pymilvus"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"needs the package {package}; that of the server is for Linux on x86-64 only")


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _serve(folder: str, port: str, *settings: str) -> None:
    """Run a server until whoever started this is gone."""
    import milvus

    package = Path(milvus.__file__).parent
    configuration = milvus.MilvusServerConfig(template=str(_template(Path(folder), package)))
    configuration.glog_conf_file = str(package / "data" / "glog.conf")
    configuration.try_bind_port = _bound  # its own refuses a port that a killed server had
    server = milvus.MilvusServer(configuration, wait_for_started=False)
    server.set_base_dir(folder)
    for setting in settings:
        configuration.set(*setting.split("=", 1))
    for key in configuration.configurable_items:
        if key.endswith("_port"):
            configuration.configs[key] = int(port) if key == "proxy_port" else _free_port()
    server.webservice_port = _free_port()
    server.start()
    until = time.monotonic() + STARTED
    while not _healthy(server.webservice_port):
        if server.server_proc.poll() is not None or time.monotonic() > until:
            os.killpg(0, signal.SIGKILL)
        time.sleep(0.1)
    print(server.server_proc.pid, flush=True)
    sys.stdin.read()  # ends when the other side is gone, however it went
    os.killpg(0, signal.SIGKILL)


def _bound(port: int) -> socket.socket | None:
    with contextlib.suppress(OSError):
        return socket.create_server(("127.0.0.1", port))
    return None


def _template(folder: Path, package: Path) -> Path:
    """Return a configuration whose etcd has ports of its own: without, there is one server at most on a machine."""
    peers, clients = (f"http://127.0.0.1:{_free_port()}" for _ in range(2))
    etcd = folder / "etcd.yaml"
    etcd.write_text(
        f"name: default\nlisten-peer-urls: {peers}\ninitial-advertise-peer-urls: {peers}\n"
        f"initial-cluster: default={peers}\nlisten-client-urls: {clients}\nadvertise-client-urls: {clients}\n"
    )
    text = (package / "data" / "config.yaml.template").read_text(encoding="utf-8")
    for line, more in {**_MORE, "etcd:": f"  config:\n    path: {etcd}\n"}.items():
        assert f"\n{line}\n" in text, line
        text = text.replace(f"\n{line}\n", f"\n{line}\n{more}", 1)
    template = folder / "milvus.template"
    template.write_text(text, encoding="utf-8")
    return template


def _healthy(port: int) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
        return b"OK" in answer.read()
    return False


if __name__ == "__main__":
    _serve(*sys.argv[1:])
