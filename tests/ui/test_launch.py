"""The app finds a free port."""

import socket

from kdcore.ui.launch import free_port


def test_a_taken_port_moves_on():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert free_port(port) > port
