"""A program: moto's S3 on a port of loopback that the system chooses, until its input ends.

It writes the port to the file that it is given.
"""

import sys
from pathlib import Path

from moto.server import ThreadedMotoServer


def main(port_file: Path) -> None:
    """Serve until whoever started this closes its end, or is gone."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    part = port_file.with_suffix(".part")
    part.write_text(str(port))
    part.replace(port_file)
    sys.stdin.read()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
