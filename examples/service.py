"""A search service of a few lines that never loads torch: it answers with the people most similar to a stored person.

`personsearch serve GALLERY` is the service for everyday use: pictures, a page, tokens (docs/serve.md). This one shows
how little a program needs that only compares people who are stored already, and starts in a fraction of a second.

    python examples/service.py [GALLERY]     then     curl 'localhost:8765/similar?detection_id=1&k=3'

Without an argument it makes a gallery of the bundled scenes first, in another process; only that one loads torch.
A real service embeds its queries in such a process too, or searches for people already in the gallery, as here.
"""

import json
import os
import subprocess
import sys
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse

from personsearch import Gallery
from personsearch.errors import GalleryError

INDEX = """
from personsearch import PersonSearcher
from personsearch.demo import demo_folder
PersonSearcher.from_pretrained().index(demo_folder(), "demo-gallery")
"""


class Handler(BaseHTTPRequestHandler):
    """GET /similar?detection_id=N[&k=10][&camera=NAME]"""

    gallery: Gallery

    def do_GET(self) -> None:  # the name that http.server calls
        """Answer with matches as JSON, without the person asked about."""
        asked = parse_qs(urlparse(self.path).query)
        try:
            wanted, k = int(asked["detection_id"][0]), int(asked.get("k", ["10"])[0])
            matches = self.gallery.search(self.gallery.embedding(wanted), k + 1, cameras=asked.get("camera"))
            status, answer = 200, [asdict(match) for match in matches if match.detection_id != wanted][:k]
        except (KeyError, ValueError, GalleryError) as error:
            status, answer = 400, {"error": str(error)}
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    path = sys.argv[1] if len(sys.argv) > 1 else "demo-gallery"
    if len(sys.argv) == 1:
        subprocess.run([sys.executable, "-c", INDEX], check=True)
    with Gallery.open(path, mode="r") as gallery:
        Handler.gallery = gallery
        server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8765"))), Handler)
        print(f"{len(gallery)} people; torch loaded: {'torch' in sys.modules}", flush=True)
        server.serve_forever()
