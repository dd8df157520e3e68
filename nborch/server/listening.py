"""Listening: the sockets of a server, and what its address is called.

It needs nothing of the server: whoever asks early waits in line meanwhile.
"""

import errno
import ipaddress
import socket
from collections.abc import Sequence

from nborch.exceptions import InvalidDeclaration

__all__ = ["PORT", "address_of", "is_loopback", "listen"]

#: Where it listens if nothing is said.
HOST, PORT = "127.0.0.1", 4200
#: Connections that wait in line.
BACKLOG = 128


def listen(host: str = HOST, port: int = PORT) -> list[socket.socket]:
    """Return sockets that listen; port 0 takes one that is free.

    Raises
    ------
    InvalidDeclaration
        Something else listens there, or nothing can.
    """
    try:
        found = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (OSError, UnicodeError):
        raise InvalidDeclaration(
            f"This machine cannot listen at {host!r}: it has no such address. "
            "Name one of its own, such as: --host 127.0.0.1"
        ) from None
    sockets: list[socket.socket] = []
    for family, _, _, _, address in dict.fromkeys(found):
        where = (address[0], port, *address[2:])
        try:
            sockets.append(_bound(family, where))
        except OSError as error:
            # NB. Where there is no IPv6, one of two will do.
            if error.errno in _NO_FAMILY and len(found) > 1:
                continue
            for each in sockets:
                each.close()
            raise _refused(host, port, error) from None
        # The others take the same one.
        port = sockets[0].getsockname()[1]
    return sockets


def address_of(host: str, sockets: Sequence[socket.socket], base_url: str = "/") -> str:
    """Return the address by which a browser on this machine finds a server."""
    port = sockets[0].getsockname()[1]
    try:
        if ipaddress.ip_address(host).is_unspecified:
            host = HOST
        elif ":" in host:
            host = f"[{host}]"
    except ValueError:
        pass
    return f"http://{host}:{port}{base_url}"


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches what listens there.

    >>> is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, False)
    """
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


_NO_FAMILY = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)


def _bound(family: int, where: tuple[object, ...]) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.settimeout(0)
        made.bind(where)
        made.listen(BACKLOG)
    except BaseException:
        made.close()
        raise
    return made


def _refused(host: str, port: int, error: OSError) -> InvalidDeclaration:
    if error.errno == errno.EADDRINUSE:
        return InvalidDeclaration(
            f"Port {port} is taken: another program listens there. Look whether it is "
            "a server of yours with: nborch server status. Or choose another one: "
            f"nborch server start --port {port + 1}"
        )
    if error.errno == errno.EACCES:
        return InvalidDeclaration(
            f"Port {port} is for programs of the system. Choose one above 1023: "
            f"nborch server start --port {PORT}"
        )
    return InvalidDeclaration(
        f"This machine cannot listen at {host!r}: {error.strerror}. "
        "Name an address of its own, such as: --host 127.0.0.1"
    )
