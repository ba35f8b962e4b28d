"""Reads of byte ranges against a server that misbehaves: tried again where that helps, and only there."""

import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

import pytest
from tests.support import faulty
from tests.support.faulty import Fault, FaultyServer, IgnoresRange, Stall, Status, Truncated, XmlError
from tests.support.paths import missing
from tests.support.processes import free_port

from glacierctl.errors import ReadError
from glacierctl.processing.getters import HttpGetter, LocalGetter
from glacierctl.processing.transport import ReadPolicy, Transport
from glacierctl.storage.ranges import Piece

CONTENT = bytes(range(256)) * 40
POLICY = ReadPolicy(attempts=3, connect_timeout_s=5, read_timeout_s=0.2)


class Pauses:
    """Stands in for sleep, and remembers."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyServer]:
    folder = tmp_path_factory.mktemp("www")
    (folder / "a.tif").write_bytes(CONTENT)
    (folder / "empty.tif").write_bytes(b"")
    with faulty.serve(folder) as server:
        yield server


@pytest.fixture
def server(running: FaultyServer) -> FaultyServer:
    running.behave()
    running.forget()
    return running


def transport(pauses: Callable[[float], None] = lambda _seconds: None, policy: ReadPolicy = POLICY) -> Transport:
    http = HttpGetter(policy, user_agent="glacierctl/test")
    getters = {"": LocalGetter(), "http": http, "https": http}
    return Transport(getters, policy, sleep=pauses, jitter=lambda: 1.0)


def read_error(href: str, start: int = 100, stop: int = 200, policy: ReadPolicy = POLICY) -> ReadError:
    with pytest.raises(ReadError) as caught:
        transport(policy=policy).read(href, start, stop)
    error = caught.value
    assert error.href == href
    assert href in error.what
    assert error.hint
    assert "\n" not in str(error)
    return error


@pytest.mark.parametrize("extent", [(0, 100), (100, 101), (0, len(CONTENT)), (5000, len(CONTENT))])
def test_a_range_comes_with_the_size_of_the_whole(
    server: FaultyServer, tmp_path: Path, extent: tuple[int, int]
) -> None:
    (tmp_path / "a.tif").write_bytes(CONTENT)
    for href in (server.url("a.tif"), str(tmp_path / "a.tif")):
        reader = transport()
        assert reader.read(href, *extent) == Piece(CONTENT[slice(*extent)], len(CONTENT))
        assert reader.usage.model_dump() == {
            "bytes_read": extent[1] - extent[0],
            "requests": 1,
            "retries": 0,
            "paid_requests": 0,
            "seconds": 0.0,
        }
    assert [request.range for request in server.seen()] == [f"bytes={extent[0]}-{extent[1] - 1}"]


def test_a_range_ends_where_the_file_ends(server: FaultyServer, tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(CONTENT)
    for href in (server.url("a.tif"), str(tmp_path / "a.tif")):
        assert transport().read(href, len(CONTENT) - 10, len(CONTENT) + 90).data == CONTENT[-10:]
        assert transport().read(href, len(CONTENT) + 1, len(CONTENT) + 90).data == b""


def test_bytes_that_the_file_must_have_and_has_not_are_an_error_at_once(server: FaultyServer) -> None:
    with pytest.raises(ReadError, match="truncated") as caught:
        transport().read_exactly(server.url("a.tif"), len(CONTENT) - 10, len(CONTENT) + 90)
    assert "10,330" in caught.value.why
    assert "10,240" in caught.value.why
    assert len(server.seen()) == 1


def test_an_empty_file_has_no_bytes(server: FaultyServer) -> None:
    assert transport().read(server.url("empty.tif"), 0, 100).data == b""


@pytest.mark.parametrize(
    "fault",
    [
        Status(500, times=2),
        Status(503, times=2),
        Status(429, times=2),
        Truncated(times=2),
        XmlError(times=2),
        Stall(5.0, times=2),
    ],
    ids=lambda fault: f"{type(fault).__name__}{getattr(fault, 'code', '')}",
)
def test_a_passing_failure_is_tried_again_and_heals(server: FaultyServer, fault: Fault) -> None:
    server.misbehave("a.tif", fault)
    pauses = Pauses()
    reader = transport(pauses)
    assert reader.read(server.url("a.tif"), 100, 200).data == CONTENT[100:200]
    assert len(server.seen()) == 3
    assert pauses.seconds == [0.5, 1.0]
    assert (reader.usage.requests, reader.usage.retries, reader.usage.bytes_read) == (3, 2, 100)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Status(503), "the server answers 503 Service Unavailable (3 attempts)"),
        (Truncated(), "the connection failed"),
        (XmlError(), "sent a page instead of the file: <?xml"),
        (Stall(5.0), "the server stopped sending (3 attempts)"),
    ],
    ids=["503", "truncated", "page", "stall"],
)
def test_a_failure_that_lasts_is_given_up_after_all_attempts(server: FaultyServer, fault: Fault, said: str) -> None:
    server.misbehave("a.tif", fault)
    error = read_error(server.url("a.tif"))
    assert said in error.why
    assert "3 attempts" in error.why
    assert len(server.seen()) == 3


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Status(404), "no such file (404)"),
        (Status(403), "access is denied (403)"),
        (Status(401), "access is denied (401)"),
        (Status(410), "the server answers 410"),
        (IgnoresRange(), "ignores range requests"),
    ],
    ids=["404", "403", "401", "410", "no ranges"],
)
def test_a_failure_that_cannot_pass_is_not_tried_again(server: FaultyServer, fault: Fault, said: str) -> None:
    server.misbehave("a.tif", fault)
    error = read_error(server.url("a.tif"))
    assert said in error.why
    assert "attempts" not in error.why
    assert len(server.seen()) == 1


def test_a_server_that_ignores_ranges_may_send_a_file_that_was_wanted_whole(server: FaultyServer) -> None:
    server.misbehave("a.tif", IgnoresRange())
    assert transport().read(server.url("a.tif"), 0, len(CONTENT) + 5) == Piece(CONTENT, len(CONTENT))


def test_a_connection_refused_is_tried_again_then_named() -> None:
    reader = transport()
    href = f"http://127.0.0.1:{free_port()}/a.tif"
    with pytest.raises(ReadError, match="Connection refused") as caught:
        reader.read(href, 0, 10)
    assert caught.value.href == href
    assert (reader.usage.requests, reader.usage.retries) == (3, 2)


def test_the_pauses_grow_up_to_a_limit_and_are_jittered() -> None:
    policy = ReadPolicy(backoff_s=0.5, max_backoff_s=3)
    assert [policy.pause_s(attempt, 1.0) for attempt in (1, 2, 3, 4, 5)] == [0.5, 1, 2, 3, 3]
    assert policy.pause_s(3, 0.25) == 0.5


def test_an_unknown_kind_of_address_names_the_known_ones() -> None:
    error = read_error("ftp://somewhere/a.tif")
    assert "http://" in error.hint
    assert "ftp://" in error.why


def test_a_missing_local_file_is_not_tried_again(tmp_path: Path) -> None:
    reader = transport()
    with pytest.raises(ReadError, match="No such file") as caught:
        reader.read(str(tmp_path / "a.tif"), 0, 10)
    assert caught.value.href == str(tmp_path / "a.tif")
    assert reader.usage.requests == 1


def test_a_certificate_that_is_not_trusted_is_said_so_at_once(tmp_path: Path) -> None:
    with _https_server(tmp_path) as (port, accepted):
        reader = transport()
        with pytest.raises(ReadError, match="certificate") as caught:
            reader.read(f"https://127.0.0.1:{port}/a.tif", 0, 10)
    assert "not trusted" in caught.value.why
    assert reader.usage.requests == 1
    assert len(accepted) == 1


def test_an_address_that_is_none_is_not_tried_again() -> None:
    reader = transport()
    with pytest.raises(ReadError, match="no address"):
        reader.read("http://[::1/a.tif", 0, 10)


class Odd:
    """A server that answers each request with the next of the given raw answers."""

    def __init__(self, answers: list[bytes]) -> None:
        self._answers = answers
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.requests = 0
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        self._thread.join()

    def _run(self) -> None:
        for answer in self._answers:
            connection, _ = self._socket.accept()
            with connection:
                connection.recv(65536)
                self.requests += 1
                connection.sendall(answer)


def partial(content_range: str, body: bytes, kind: str = "image/tiff") -> bytes:
    head = f"HTTP/1.1 206 Partial Content\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
    said = f"Content-Range: {content_range}\r\n" if content_range else ""
    return f"{head}{said}Connection: close\r\n\r\n".encode() + body


GOOD = partial("bytes 100-109/500", b"0123456789")


@pytest.mark.parametrize(
    "bad",
    [
        partial("bytes 0-9/500", b"9876543210"),
        partial("bytes 100-104/500", b"01234"),
        partial("bytes 100-109/500", b"<Error/>  ", kind="application/xml"),
        b"",
        b"HTTP/1.1 206 Partial Content\r\nContent-Length: 10\r\nContent-Range: bytes 100-109/500\r\n\r\n012",
    ],
    ids=["another part", "less than asked", "a page as part", "closes at once", "closes in the middle"],
)
def test_an_answer_that_is_not_what_was_asked_is_tried_again(bad: bytes) -> None:
    with Odd([bad, GOOD]) as odd:
        assert transport().read(f"http://127.0.0.1:{odd.port}/a.tif", 100, 110) == Piece(b"0123456789", 500)
        assert odd.requests == 2


@pytest.mark.parametrize("content_range", ["", "bytes 100-109/*", "bytes */500", "bytes a-b/c"])
def test_a_part_that_does_not_say_what_it_is_part_of_is_refused(content_range: str) -> None:
    with Odd([partial(content_range, b"0123456789")]) as odd:
        error = read_error(f"http://127.0.0.1:{odd.port}/a.tif", 100, 110)
        assert "does not say which part" in error.why
        assert odd.requests == 1


def test_many_threads_read_at_once_and_everything_is_counted(server: FaultyServer) -> None:
    reader = transport()
    wrong: list[int] = []

    def read(number: int) -> None:
        starts = range(number * 100, number * 100 + 1000, 100)
        pieces = {start: reader.read(server.url("a.tif"), start, start + 100).data for start in starts}
        wrong.extend(start for start, data in pieces.items() if data != CONTENT[start : start + 100])

    threads = [threading.Thread(target=read, args=(number,)) for number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert (reader.usage.requests, reader.usage.bytes_read) == (240, 24_000)


def test_stopping_ends_attempts_and_pauses(server: FaultyServer) -> None:
    """After Ctrl-C nobody waits for a server that keeps failing."""
    server.misbehave("a.tif", Status(503))
    patient = ReadPolicy(attempts=100, backoff_s=3600, max_backoff_s=3600)
    reader = Transport({"http": HttpGetter(patient, user_agent="t")}, patient, jitter=lambda: 1.0)
    errors: list[ReadError] = []

    def read() -> None:
        try:
            reader.read(server.url("a.tif"), 0, 10)
        except ReadError as error:
            errors.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    while not server.seen():
        time.sleep(0.01)
    reader.stop()
    thread.join(60)
    assert not thread.is_alive()
    assert len(server.seen()) == 1
    assert len(errors) == 1
    with pytest.raises(ReadError, match="interrupted"):
        reader.read(server.url("a.tif"), 0, 10)
    assert len(server.seen()) == 1


@contextmanager
def _https_server(folder: Path) -> Iterator[tuple[int, list[object]]]:
    """Serves nothing over TLS, with a certificate that nobody signed: its port, and who came."""
    openssl = shutil.which("openssl")
    if openssl is None:
        missing("openssl is not installed")
    subprocess.run(
        [str(openssl), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "cert.pem",
         "-days", "1", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True, cwd=folder,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    accepted: list[object] = []

    def run() -> None:
        while True:
            connection, address = listener.accept()
            accepted.append(address)
            with connection, suppress(OSError):
                context.wrap_socket(connection, server_side=True).close()

    def run_until_closed() -> None:
        with suppress(OSError):
            run()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=run_until_closed, daemon=True)
        thread.start()
        yield listener.getsockname()[1], accepted
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()
