"""Index a folder of images and find a person in it. Runs as it stands, on the package's own scenes."""

from personsearch import PersonSearcher, draw_matches
from personsearch.demo import demo_folder

photos = demo_folder()  # a dozen bundled scenes; use your own folder of images
query, box = photos / "s23c4_0005.jpg", (389, 303, 459, 595)  # an image, and the person in it

searcher = PersonSearcher.from_pretrained()  # the weights inside the package
report = searcher.index(photos, "my-gallery")  # detects everybody and stores them, once
print(f"{report.added} scenes, {report.people} people")
matches = searcher.search("my-gallery", query, box, k=5, exclude_images=[query.name])
for match in matches:
    print(match.image_id, [round(side) for side in match.box], f"similarity {match.similarity:.2f}")
draw_matches(query, box, matches).save("matches.png")
