"""A program: moto's S3 on a port of loopback that the system chooses, until its input ends.

It writes the port to the file that it is given. Moto looks whether a key is there and then puts it,
in a thread for each request: of two conditional puts at once both may succeed, which no S3 does.
So one put is carried out at a time here.
"""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Lock, Thread
from typing import Any

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import make_server

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


def one_put_at_a_time(application: Application) -> Application:
    """Let a put wait until the one before it has been carried out."""
    putting = Lock()

    def serve(request: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if request["REQUEST_METHOD"] != "PUT":
            return application(request, start_response)
        with putting:
            return application(request, start_response)

    return serve


def main(port_file: Path) -> None:
    """Serve until whoever started this closes its end, or is gone."""
    application: Application = DomainDispatcherApplication(create_backend_app)
    server = make_server(
        "127.0.0.1",
        0,
        one_put_at_a_time(application),
        threaded=True,
        request_handler=MotoRequestHandler,
    )
    Thread(target=server.serve_forever, daemon=True).start()
    part = port_file.with_suffix(".part")
    part.write_text(str(server.port))
    part.replace(port_file)
    sys.stdin.read()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
