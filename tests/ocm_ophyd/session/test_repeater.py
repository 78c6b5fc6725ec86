"""The Channel Access repeater, as libca and servers use it."""

import socket
import struct

from ocm_ophyd.processes.servers import free_ports
from ocm_ophyd.session.repeater import serve_repeater

LOCALHOST = socket.inet_aton("127.0.0.1")


def client(port):
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.settimeout(5)
    one.connect(("127.0.0.1", port))
    return one


def test_registrations_are_confirmed_and_beacons_forwarded():
    (port,) = free_ports(1)
    serve_repeater(port)
    serve_repeater(port)  # gives way to the first
    with client(port) as libca, client(port) as caproto, client(port) as server:
        libca.send(b"")
        caproto.send(struct.pack("!8H", 24, *[0] * 7))
        for each in (libca, caproto):
            assert each.recv(100) == struct.pack("!6H", 17, *[0] * 5) + LOCALHOST
        server.send(struct.pack("!6H4x", 13, 0, 13, 5064, 0, 1))
        for each in (libca, caproto):
            assert each.recv(100) == struct.pack("!6H", 13, 0, 13, 5064, 0, 1) + LOCALHOST
