"""What the service answers with, as models: its OpenAPI page is made of them.

Boxes are x1, y1, x2, y2 in pixels of the original upright picture. Times are seconds as the gallery keeps them, since
1970 or since a video began; the text beside a time is for reading. An embedding travels as base64 of little-endian
float32, so that the service keeps nothing of a query.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Box = Annotated[
    tuple[float, float, float, float],
    Field(description="x1, y1, x2, y2 in pixels of the original upright picture."),
]
Seconds = Annotated[
    float | None, Field(description="Seconds as the gallery keeps them: since 1970, or since a video began.")
]
SecondsText = Annotated[str | None, Field(description="The same for reading: a date (UTC), or hours:minutes:seconds.")]
Number = Annotated[int, Field(ge=1, le=2**53)]


class Record(BaseModel):
    """What all records share."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Fault(Record):
    """Why a request was refused."""

    error: str = Field(description="Which input, what is wrong with it, what to do.")


class FoundPerson(Record):
    """A person in a picture that was sent."""

    box: Box
    score: float | None = Field(description="The detector's confidence, 0 to 1; null for a box that was given.")
    embedding: str = Field(description="Base64 of little-endian float32, unit length: send it back to search.")


class FoundPeople(Record):
    """The people in a picture that was sent."""

    width: int = Field(description="Pixels of the upright picture.")
    height: int = Field(description="Pixels of the upright picture.")
    people: list[FoundPerson] = Field(description="By falling score.")


class TrackSpan(Record):
    """A track: one person followed through consecutive frames of one camera."""

    track_id: int
    first: Seconds
    last: Seconds
    first_text: SecondsText
    last_text: SecondsText
    frames: int = Field(description="In how many frames the person was seen.")


class SightingRecord(Record):
    """One stored person in one scene of the gallery."""

    detection_id: int = Field(description="Of the stored person; never given to anybody else.")
    image_id: str = Field(description="Of the scene.")
    box: Box
    score: float = Field(description="The detector's confidence, 0 to 1.")
    camera: str | None
    time: Seconds
    time_text: SecondsText
    track_id: int | None = Field(description="Of the track that this is a view of, if people were followed.")
    track: TrackSpan | None
    person_id: int | None = Field(description="Of the person that this is taken for, once people were grouped.")
    person_name: str | None
    image_size: tuple[int, int] | None = Field(description="Height and width of the scene, pixels.")
    crop: str = Field(description="Address of a picture of the person.")
    scene: str = Field(description="Address of the picture of the scene.")
    picture: bool = Field(description="Whether these pictures can be had: the scene's file is still there.")


class MatchRecord(SightingRecord):
    """A stored person, ranked by similarity to the query."""

    similarity: float = Field(description="Dot product of the two embeddings, -1 to 1.")
    probability: float | None = Field(
        description="Calibrated chance that two people of this similarity, drawn as those of the calibration, are one."
    )
    false_match_rate: float | None = Field(
        description="At most this share of the pairs of different people look so alike; null = more than the largest "
        "share of the calibration, or no calibration."
    )
    one_in: int | None = Field(description="The same in other words: at most one pair of strangers in so many.")


class Found(Record):
    """What a search found."""

    matches: list[MatchRecord] = Field(description="By falling similarity.")


class QueryRecord(Record):
    """Whom a picture was searched for."""

    box: Box
    score: float | None = Field(description="0 to 1; null where the box was given or the picture is the person.")
    whole_picture: bool = Field(description="Whether the whole picture was taken as the person.")


class FoundByPicture(Found):
    """What a search by pictures found, and whom it was for."""

    queries: list[QueryRecord]


class SearchFor(Record):
    """Whom to search for (embeddings, a track, a person or a detection; or like alone), and which matches to return."""

    embeddings: list[Annotated[str, Field(max_length=64 * 1024)]] | None = Field(
        None, max_length=64, description="Of one person, as /api/detect and /api/embed give them."
    )
    track: Number | None = Field(None, description="A track of the gallery; its own views are left out.")
    person: Number | None = Field(None, description="A person of the gallery; what is theirs already is left out.")
    detection: Number | None = Field(None, description="A stored person, who is left out.")
    combine: Literal["mean", "best"] = Field(
        "mean", description="Several embeddings: search by their mean, or count each match by the best of them."
    )
    like: list[Number] = Field([], max_length=500, description="detection_ids of matches that were right.")
    unlike: list[Number] = Field([], max_length=500, description="detection_ids of matches that were wrong.")
    k: int = Field(20, ge=1, le=200, description="Matches at most.")
    cameras: list[str] | None = Field(None, max_length=500, description="Only scenes of these cameras.")
    since: float | None = Field(None, description="Only scenes at this time (seconds) or later.")
    until: float | None = Field(None, description="Only scenes at this time (seconds) or earlier.")
    min_similarity: float | None = Field(None, ge=-1, le=1, description="Drop matches below this.")
    max_false_match_rate: float | None = Field(
        None, gt=0, lt=1, description="Drop matches that more than this share of strangers reach; needs a calibration."
    )
    one_per_image: bool = Field(False, description="Keep only the best match of each scene.")
    one_per_track: bool = Field(False, description="Keep only the best match of each track.")
    per_camera: bool = Field(False, description="Return the k best matches of every camera.")
    exclude_images: list[str] = Field([], max_length=500, description="image_ids of scenes to leave out.")


class CameraCount(Record):
    """How many scenes a camera took."""

    camera: str
    images: int


class ThresholdRecord(Record):
    """The similarity that a share of the pairs of different people reaches."""

    rate: float = Field(description="The share: the false-match rate of one comparison.")
    one_in: int = Field(description="The same as one pair in so many.")
    similarity: float
    true_match_rate: float | None = Field(description="Share of the pairs of one person that reach it too.")


class CalibrationRecord(Record):
    """What similarities mean for the gallery's weights."""

    dataset: str = Field(description="The annotated set that it was fitted to.")
    thresholds: list[ThresholdRecord]
    similarities: list[float] = Field(description="Knots of the map from similarity to probability, rising.")
    probabilities: list[float] = Field(description="At the knots.")


class Example(Record):
    """A picture to try."""

    url: str


class GalleryRecord(Record):
    """What the gallery holds, and what the service does with it."""

    name: str = Field(description="Of the gallery's folder.")
    images: int = Field(description="Scenes.")
    people: int = Field(description="Stored people: detections.")
    tracks: int
    persons: int = Field(description="Human beings that they were grouped into; 0 = they were not.")
    ungrouped: int = Field(description="Stored people that were added since.")
    weights: str
    cameras: list[CameraCount]
    first: Seconds
    last: Seconds
    first_text: SecondsText
    last_text: SecondsText
    is_date: bool = Field(description="Whether times are seconds since 1970.")
    writable: bool
    stores_pictures: bool = Field(description="Whether pictures of new scenes are kept too.")
    max_upload_bytes: int
    version: str
    calibration: CalibrationRecord | None
    example: Example | None


class SceneRecord(Record):
    """A scene of the gallery with its people."""

    image_id: str
    camera: str | None
    time: Seconds
    time_text: SecondsText
    image_size: tuple[int, int] = Field(description="Height and width, pixels.")
    people: list[SightingRecord]


class ScenesPage(Record):
    """Some of the scenes."""

    scenes: list[SceneRecord]
    next: str | None = Field(description="Send it as 'after' to go on; null = these were the last.")


class StoredRecord(Record):
    """What became of a scene that was sent."""

    image_id: str
    people: list[SightingRecord]
    stored: bool = Field(description="True = stored now; false = it was stored already, as it is.")
    picture: bool = Field(description="Whether the picture itself is kept.")


class Removed(Record):
    """What was erased."""

    removed: int = Field(description="Scenes.")


class Erased(Record):
    """Who was erased."""

    erased: int = Field(description="Stored people: detections.")


class PersonRecord(Record):
    """Somebody in the gallery: the appearances that are taken for one human being."""

    person_id: int
    name: str | None
    by_hand: bool = Field(description="Whether a decision by hand holds some of it together.")
    appearances: int = Field(description="How often the person was before a camera.")
    detections: int = Field(description="Stored pictures of the person.")
    cameras: list[str]
    first: Seconds
    last: Seconds
    first_text: SecondsText
    last_text: SecondsText
    cover: SightingRecord = Field(description="What shows the person best.")


class AppearanceRecord(Record):
    """One time that a person was before one camera."""

    track_id: int | None = Field(description="Null for a single detection.")
    camera: str | None
    first: Seconds
    last: Seconds
    first_text: SecondsText
    last_text: SecondsText
    frames: int
    sightings: list[SightingRecord] = Field(description="The best view first.")


class PersonDetail(Record):
    """A person with all appearances."""

    person_id: int
    name: str | None
    by_hand: bool
    detections: int
    cameras: list[str]
    first: Seconds
    last: Seconds
    first_text: SecondsText
    last_text: SecondsText
    cover: SightingRecord
    appearances: list[AppearanceRecord] = Field(description="By time as far as it is known.")


class PeoplePage(Record):
    """Some of the people."""

    total: int
    ungrouped: int = Field(description="Stored people that were added since the last grouping.")
    people: list[PersonRecord]


class GroupHow(Record):
    """How alike two appearances must be to be taken for one person; nothing = as the last time."""

    max_false_match_rate: float | None = Field(None, gt=0, lt=1)
    min_similarity: float | None = Field(None, ge=-1, le=1)


class GroupingRecord(Record):
    """What grouping did."""

    persons: int = Field(description="How many people there are now.")
    appearances: int = Field(description="Tracks and single detections that were grouped.")
    new: int = Field(description="People who were not there before.")
    min_similarity: float = Field(description="Mean similarity from which appearances were joined.")


class MergeWhom(Record):
    """Who is one person; the first one's number stays."""

    person_ids: list[Number] = Field(min_length=2, max_length=500)


class SplitOff(Record):
    """What of a person is somebody else."""

    tracks: list[Number] = Field([], max_length=5000)
    detections: list[Number] = Field([], max_length=5000)


class NewName(Record):
    """A person's name; null takes it away."""

    name: Annotated[str, Field(max_length=200)] | None


class DecisionRecord(Record):
    """What somebody decided by hand."""

    decision_id: int
    what: Literal["merge", "split", "name"]
    made: float = Field(description="Seconds since 1970.")
    made_text: str
    person_ids: list[int]
    name: str | None
    text: str = Field(description="The decision in words.")


class Decisions(Record):
    """The decisions by hand that stand, the first one first."""

    decisions: list[DecisionRecord]


class Undone(Record):
    """Which decision was taken back."""

    undone: DecisionRecord | None = Field(description="Null where there was none.")


class BinRecord(Record):
    """A part of the time line."""

    start: float
    end: float
    start_text: str
    end_text: str
    scenes: int
    people: int


class Timeline(Record):
    """How many scenes and people there are when."""

    first: Seconds
    last: Seconds
    first_text: SecondsText
    last_text: SecondsText
    is_date: bool
    bins: list[BinRecord]
    cameras: list[str] = Field(description="All cameras of the gallery.")


class Health(Record):
    """Whether the service can do its work."""

    status: Literal["ok", "degraded"]
    version: str
    gallery: Literal["ok", "damaged", "gone", "unreadable"]
    writable: bool
    waiting: int = Field(description="Requests that wait for the network or are in it.")


class SessionBegun(Record):
    """The page may ask without the token from now on."""

    ok: bool
    token_needed: bool


class Token(Record):
    """The service's token."""

    token: str = Field(max_length=1000)
