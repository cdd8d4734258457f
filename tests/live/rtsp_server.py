"""An RTSP server for tests, run by the system's Python, which has GStreamer: FOLDER of JPEGs, PORT (0 = any), rate."""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

folder, port, rate, codec = sys.argv[1:5]
Gst.init(None)
CODECS = {
    "jpeg": "jpegdec ! videoconvert ! video/x-raw,format=I420 ! jpegenc ! rtpjpegpay name=pay0",
    "vp8": "jpegdec ! videoconvert ! vp8enc deadline=1 keyframe-max-dist=10 ! rtpvp8pay name=pay0",
}
factory = GstRtspServer.RTSPMediaFactory()
pictures = f"multifilesrc location={folder}/%04d.jpg loop=true caps=image/jpeg,framerate={rate}/1"
factory.set_launch(f"( {pictures} ! {CODECS[codec]} )")
factory.set_shared(True)
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(port)
server.get_mount_points().add_factory("/cam", factory)
server.attach(None)
print(server.get_bound_port(), flush=True)
GLib.MainLoop().run()
