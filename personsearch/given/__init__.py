"""People whose boxes come from elsewhere: any detector's results, and files of them. Loads no torch."""

from personsearch.given.files import DetectionsFile, read_detections
from personsearch.given.people import Found, GivenPeople, people_in
from personsearch.given.source import BOXES, BoxSource, Detector

__all__ = [
    "BOXES",
    "BoxSource",
    "DetectionsFile",
    "Detector",
    "Found",
    "GivenPeople",
    "people_in",
    "read_detections",
]
