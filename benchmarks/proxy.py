"""A line between a client and a server: latency, and a rate that all connections share.

    python -m benchmarks.proxy --listen 8081 --to 8080 --latency-ms 30 --mbit 400

For kernels without netem. Half the latency is added each way, and all of it when a connection is made; bytes towards
the client leave at the rate, connections taking turns. TCP's slow start is not imitated.
"""

import argparse
import asyncio
import contextlib
import time
from collections.abc import Callable

_READ_BYTES = 64 * 1024
_AHEAD_S = 0.005
"""How far a connection may book the line ahead, so that a small answer does not wait behind a large one."""


class Line:
    """The rate, shared by all connections."""

    def __init__(self, bytes_per_s: float | None, now: Callable[[], float]) -> None:
        self._bytes_per_s = bytes_per_s
        self._now = now
        self._free_at = 0.0

    def book(self, size: int) -> float:
        """When the last of so many bytes has left."""
        now = self._now()
        if self._bytes_per_s is None:
            return now
        self._free_at = max(now, self._free_at) + size / self._bytes_per_s
        return self._free_at


async def _pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: Line, latency_s: float, not_before: float
) -> None:
    """Pass on what comes, later: reading goes on while what was read is under way."""
    under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def arrive() -> None:
        while True:
            at, data = await under_way.get()
            await _until(at)
            if not data:
                break
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()

    arriving = asyncio.create_task(arrive())
    try:
        while True:
            data = await reader.read(_READ_BYTES)
            left_at = max(line.book(len(data)), not_before)
            under_way.put_nowait((left_at + latency_s, data))
            if not data:
                break
            await _until(left_at - _AHEAD_S)
            if arriving.done():
                break
        await arriving
    finally:
        arriving.cancel()


async def _until(at: float) -> None:
    delay = at - time.monotonic()
    if delay > 0:
        await asyncio.sleep(delay)


async def serve(listen: int, to: int, latency_s: float, bytes_per_s: float | None) -> None:
    """Pass connections on until cancelled."""
    down = Line(bytes_per_s, time.monotonic)
    up = Line(None, time.monotonic)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made_at = time.monotonic() + latency_s
        with contextlib.suppress(OSError):
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", to, limit=4 * _READ_BYTES)
            pumps = [
                asyncio.create_task(_pump(reader, server_writer, up, latency_s / 2, made_at)),
                asyncio.create_task(_pump(server_reader, writer, down, latency_s / 2, made_at)),
            ]
            # what the client has closed need not be sent to its end
            await asyncio.wait(
                pumps, return_when=asyncio.FIRST_EXCEPTION if reader.at_eof() else asyncio.FIRST_COMPLETED
            )
            if pumps[0].done():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(asyncio.shield(pumps[1]), 1)
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            server_writer.close()
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", listen, limit=4 * _READ_BYTES, backlog=512)
    async with server:
        await server.serve_forever()


def main() -> None:
    """Serve until ended."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listen", type=int, required=True)
    parser.add_argument("--to", type=int, required=True)
    parser.add_argument("--latency-ms", type=float, default=30)
    parser.add_argument("--mbit", type=float, default=None, help="unlimited if not given")
    asked = parser.parse_args()
    rate = asked.mbit * 1e6 / 8 if asked.mbit else None
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(asked.listen, asked.to, asked.latency_ms / 1000, rate))


if __name__ == "__main__":
    main()
