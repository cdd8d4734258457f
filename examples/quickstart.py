"""Index a folder of images and find a person in it. Runs as it stands, on the package's own scenes."""

import tempfile

from personsearch import PersonSearcher
from personsearch.demo import demo_folder

photos = demo_folder()  # your folder of images
query, box = photos / "s23c4_0005.jpg", (388.8, 302.9, 459.1, 594.7)  # an image, and the person in it

searcher = PersonSearcher.from_pretrained()
with tempfile.TemporaryDirectory() as gallery:  # a folder that stays, in earnest
    report = searcher.index(photos, gallery)
    print(f"{report.added} scenes, {report.people} people")
    for match in searcher.search(gallery, query, box, k=5, exclude_images=[query.name]):
        print(match.image_id, [round(side) for side in match.box], round(match.similarity, 3))
