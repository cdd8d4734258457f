"""Find a person in a video: index every fifth frame, then ask when they were seen.

    python examples/search_video.py [VIDEO QUERY_IMAGE x1,y1,x2,y2]

Without arguments it films the bundled scenes. Needs personsearch[video].
"""

import sys
from pathlib import Path

import av
from PIL import Image

from personsearch import Gallery, PersonSearcher
from personsearch.demo import demo_scenes


def film(path: Path, frames_per_scene: int = 5, fps: int = 5) -> None:
    """Make a video that shows each bundled scene for a second."""
    scenes, _ = demo_scenes()
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=fps)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = 960, 640, "yuv420p", 8_000_000
        for scene in scenes:
            picture = Image.open(scene.path).convert("RGB").resize((960, 640))
            for _ in range(frames_per_scene):
                container.mux(stream.encode(av.VideoFrame.from_image(picture)))
        container.mux(stream.encode())


if len(sys.argv) == 4:
    video, image = Path(sys.argv[1]), sys.argv[2]
    box = tuple(float(part) for part in sys.argv[3].split(","))
else:
    video = Path("bundled.mp4")
    film(video)
    scenes, queries = demo_scenes()
    query = queries[0]
    image = next(str(scene.path) for scene in scenes if scene.image_id == query.image_id)
    box = tuple(query.box.tolist())

searcher = PersonSearcher.from_pretrained()
with Gallery.open("video-gallery", searcher.spec) as gallery:
    report = searcher.index(video, gallery, every=5)
    print(f"{report.added} frames, {report.people} people")
    for match in searcher.search(gallery, image, box, k=5):
        print(f"{match.time:7.1f} s  similarity {match.similarity:.2f}  at {tuple(round(side) for side in match.box)}")
