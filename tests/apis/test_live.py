"""Streams over HTTP from a local server that drops its connections."""

import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import pytest

from mmgtrack.apis import FrameReader, SourceWarning, open_source
from mmgtrack.apis.sources.live import LiveSource, without_password
from mmgtrack.errors import SourceError

from .numbered import number_of, numbered_image

Respond = Callable[[BaseHTTPRequestHandler, int], None]
Serve = Callable[[Respond], str]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Start a server that answers request n with ``respond(handler, n)``; return its address."""
    monkeypatch.setenv('no_proxy', '127.0.0.1')
    servers = []

    def start(respond: Respond) -> str:
        requests = iter(range(10**6))

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                respond(self, next(requests))
                self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f'http://127.0.0.1:{server.server_port}/clip'

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def send_file(content: bytes, upto: Callable[[int], int]) -> Respond:
    """Announce the whole file and send as many bytes as ``upto(request)``."""

    def respond(handler: BaseHTTPRequestHandler, request: int) -> None:
        handler.send_response(200)
        handler.send_header('Content-Type', 'video/mp4')
        handler.send_header('Content-Length', str(len(content)))
        handler.end_headers()
        handler.wfile.write(content[: upto(request)])

    return respond


def send_pictures(parts: list[range]) -> Respond:
    """Motion JPEG as IP cameras send it: part n of the pictures to request n, nothing afterwards."""

    def respond(handler: BaseHTTPRequestHandler, request: int) -> None:
        if request >= len(parts):
            handler.send_error(503)
            return
        handler.send_response(200)
        handler.send_header('Content-Type', 'multipart/x-mixed-replace; boundary=frame')
        handler.end_headers()
        for number in parts[request]:
            data = cv2.imencode('.jpg', numbered_image(number))[1].tobytes()
            head = f'--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n'
            handler.wfile.write(head.encode() + data + b'\r\n')

    return respond


def test_clip_on_a_server_is_resumed_where_it_broke_off(
    serve: Serve, write_clip: Callable[..., Path]
) -> None:
    content = write_clip().read_bytes()
    address = serve(send_file(content, lambda request: len(content) * (2 if request == 0 else 3) // 3))
    source = LiveSource(address, first_delay_s=0.01)
    assert (source.is_live, source.num_frames) == (False, 30)
    frames = list(source)
    assert [f.index for f in frames] == list(range(30))
    # the frame at the break may be patched up by the decoder
    assert sum(f.index == number_of(f.image) for f in frames) >= 29


def test_clip_that_never_gets_further_ends_with_a_warning(
    serve: Serve, write_clip: Callable[..., Path]
) -> None:
    content = write_clip().read_bytes()
    source = LiveSource(
        serve(send_file(content, lambda _: len(content) * 2 // 3)), max_reopens=2, first_delay_s=0.01
    )
    with pytest.warns(SourceWarning, match=r'2 attempts to reopen it failed \(30 frames were announced\)'):
        assert 10 <= len(list(source)) < 28


def test_live_stream_goes_on_after_a_loss_and_ends_with_an_error(serve: Serve) -> None:
    source = LiveSource(serve(send_pictures([range(0, 8), range(8, 20)])), max_reopens=3, first_delay_s=0.01)
    assert (source.is_live, source.num_frames) == (True, None)
    frames = []
    with pytest.raises(SourceError, match=r'lost after .* frames; 3 attempts to reopen it failed'):
        for frame in source:
            frames.append(frame)
    assert [f.index for f in frames] == list(range(len(frames)))
    numbers = [number_of(f.image) for f in frames]
    assert numbers == sorted(numbers)
    assert {0, 8} <= set(numbers)
    times = [f.time_s or 0.0 for f in frames]
    assert times == sorted(times)


def test_closing_does_not_wait_for_the_next_attempt(serve: Serve) -> None:
    source = LiveSource(serve(send_pictures([range(0, 8)])), first_delay_s=60)
    began = time.monotonic()
    with FrameReader(source, live='every') as reader:
        assert next(reader).index == 0
        time.sleep(0.2)
    assert time.monotonic() - began < 5
    assert not [t for t in threading.enumerate() if t.name == 'mmgtrack-reader']


def test_passwords_are_not_printed() -> None:
    assert without_password('rtsp://me:secret@10.0.0.1:554/a') == 'rtsp://me:***@10.0.0.1:554/a'
    assert without_password('http://10.0.0.1:80/a@b:c') == 'http://10.0.0.1:80/a@b:c'
    with pytest.raises(SourceError) as caught:
        open_source('rtsp://me:secret@127.0.0.1:9/a')
    assert 'secret' not in str(caught.value) and '***' in str(caught.value)
