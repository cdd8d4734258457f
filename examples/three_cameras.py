"""Who was where: videos of several cameras go in, a list of people comes out, with their pictures, times and cameras.

    python examples/three_cameras.py [FOLDER]

FOLDER holds one video for each camera, all begun at the same moment. Without it, three short ones are made of the
bundled scenes: nobody in them is real. Needs personsearch[video].
"""

import sys
from pathlib import Path

import av
from PIL import Image

from personsearch import Gallery, PersonSearcher, draw_people
from personsearch.demo import demo_scenes

SIZE = (912, 608)


def film(folder: Path, seconds_per_scene: int = 1, fps: int = 4) -> None:
    """Make a video for each of three cameras, which sways a little over two of its scenes."""
    folder.mkdir(exist_ok=True)
    scenes, _ = demo_scenes()
    for camera in ("s23c1", "s23c3", "s23c4"):
        with av.open(str(folder / f"{camera}.mp4"), "w") as container:
            stream = container.add_stream("mpeg4", rate=fps)
            (stream.width, stream.height), stream.pix_fmt, stream.bit_rate = SIZE, "yuv420p", 8_000_000
            for scene in [scene for scene in scenes if scene.camera == camera][-2:]:
                picture = Image.open(scene.path).convert("RGB")
                for sway in range(seconds_per_scene * fps):
                    frame = picture.crop((4 * sway, 2 * sway, 4 * sway + SIZE[0], 2 * sway + SIZE[1]))
                    container.mux(stream.encode(av.VideoFrame.from_image(frame)))
            container.mux(stream.encode())


if len(sys.argv) == 2:
    videos = Path(sys.argv[1])
else:
    videos = Path("videos")
    film(videos)

cameras = {path.name: path.stem for path in videos.iterdir()}  # each video is called like its camera
searcher = PersonSearcher.from_pretrained()
with Gallery.open("people-gallery", searcher.spec, calibration=searcher.calibration) as gallery:
    report = searcher.index(videos, gallery, tracks=True, cameras=cameras)
    print(f"{report.added} frames stored, {len(gallery.tracks)} tracks")
    gallery.people.group()
    people = [person for person in gallery.people.all() if person.frames >= 3]
    print(f"{len(people)} people who were seen in at least 3 frames")
    for person in people:
        seen = ", ".join(f"{one.camera} {one.first:.1f} to {one.last:.1f} s" for one in person.appearances)
        print(f"person {person.person_id}: {seen}")
    rows = [row for person in people for row in person.detection_ids]
    sightings = {one.detection_id: one for one in gallery.sightings(rows)}
    draw_people(people, sightings).save("people.png")
