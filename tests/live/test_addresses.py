"""Addresses without what is secret in them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from personsearch.live.addresses import host_of, name_of, shown_address, split_address


@pytest.mark.parametrize(
    ("address", "shown", "name"),
    [
        ("rtsp://10.0.0.7/stream1", "rtsp://10.0.0.7/stream1", "10.0.0.7-stream1"),
        ("RTSP://me:pw@10.0.0.7:554/a/b", "rtsp://10.0.0.7:554/a/b", "10.0.0.7-a-b"),
        ("http://cam/video?user=me&password=pw", "http://cam/video", "cam-video"),
        ("rtsp://cam/user=me_password=pw_channel=1", "rtsp://cam/", "cam"),
        ("rtsp://me:p@ss/w#rd@cam/1", "rtsp://cam/1", "cam-1"),
        ("https://cam/token=5/x", "https://cam/", "cam"),
        ("clips/door.mp4", "clips/door.mp4", "clips-door.mp4"),
    ],
)
def test_what_is_shown_and_what_a_camera_is_called(address: str, shown: str, name: str) -> None:
    assert shown_address(address) == shown
    if "://" in address:
        assert name_of(address) == name


SIGNS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=6, max_size=20).map("~{}~".format)


@given(SIGNS, SIGNS)
def test_no_user_and_no_password_is_left_however_badly_they_are_written(user: str, password: str) -> None:
    address = f"rtsp://{user}:{password}@camera.local:554/hall"
    assert split_address(address) == ("rtsp", "camera.local:554/hall")
    assert host_of(address) == "rtsp://camera.local:554"


def test_of_a_service_only_the_host_is_shown() -> None:
    assert host_of("https://hooks.chat.example/services/T0/B0/secret") == "https://hooks.chat.example"
