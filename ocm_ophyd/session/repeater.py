"""The Channel Access repeater of this computer, for libca: it forwards beacons between processes.

libca, the client library below ophyd, registers with a repeater ten seconds after its start, by
an empty datagram to `EPICS_CA_REPEATER_PORT`, and warns if none confirms. The repeater of caproto
confirms only registrations with a message, therefore this one is used. See "CA Repeater" in the
Channel Access Protocol Specification, https://docs.epics-controls.org.
"""

import socket
import threading

__all__ = ["serve_repeater"]

_REGISTER, _BEACON, _CONFIRM = b"\x00\x18", b"\x00\x0d", b"\x00\x11"
"""Commands: the first two of the 16 bytes of a message."""

_ADDRESS = slice(12, 16)
"""Bytes of a message that hold an internet address."""


def serve_repeater(port: int, host: str = "127.0.0.1") -> None:
    """Serve a repeater from a thread until the process ends, unless another has the port.

    Parameters
    ----------
    port : int
        UDP port.
    host : str
        Address of the interface.
    """
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        server.bind((host, port))
    except OSError:  # another process repeats
        server.close()
        return
    threading.Thread(
        target=_repeat, args=(server,), name="Channel Access repeater", daemon=True
    ).start()


def _repeat(server: socket.socket) -> None:
    clients: set[tuple[str, int]] = set()
    while True:
        message, sender = server.recvfrom(65536)
        address = socket.inet_aton(sender[0])
        if not message or message.startswith(_REGISTER):
            clients.add(sender)
            confirmation = bytearray(16)
            confirmation[:2], confirmation[_ADDRESS] = _CONFIRM, address
            server.sendto(confirmation, sender)
            continue
        if message.startswith(_BEACON) and message[_ADDRESS] == bytes(4):
            message = message[:12] + address + message[16:]
        for client in clients - {sender}:
            server.sendto(message, client)
