"""What lies under a URL of a plain web server: files, parts of files, pages that list folders.

It only reads. Polars reads the data files itself; this is for all else. What a server must do is
little, yet some don't: answer 404 where there is no file, and send parts of files on request.
"""

import http.client
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Final, TypeVar
from urllib.parse import quote, unquote, urljoin, urlsplit

from metaxy.errors import ConfigError, StoreError, did_you_mean, listed, redact

SCHEMES: Final = frozenset({"http", "https"})
OPTIONS: Final = ("connect_timeout", "max_retries", "retry_timeout", "timeout")
"""The options of a lake on a web server."""

_AT_ONCE: Final = 8
_MISSING: Final = frozenset({404, 410})
_PASSING: Final = frozenset({408, 429, 500, 502, 503, 504})
"""Answers after which another attempt may succeed."""
_PARTIAL: Final = 206
_NOT_SATISFIABLE: Final = 416
_UNITS_S: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?) ?(ms|s|m|h)")
_FIRST_PAUSE_S: Final = 0.1

Item = TypeVar("Item")
Got = TypeVar("Got")


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    reason: str
    body: bytes
    url: str

    @property
    def told(self) -> str:
        """The answer in words, such as "403 Forbidden"."""
        return f"{self.status} {self.reason}".strip()

    @property
    def is_page(self) -> bool:
        """Whether it is a page for people."""
        return self.body.lstrip()[:1] == b"<"


@dataclass
class WebFolder:
    """A folder on a web server; of use to any number of threads.

    Attributes:
        url: As people write it, with spaces and all letters; without a slash at its end.
        timeout_s: How long to wait for an answer.
        retries: How often to ask again when there is none, or one that may pass.
    """

    url: str
    timeout_s: float = 30.0
    retries: int = 3
    _serves_ranges: bool = field(default=False, init=False, repr=False)

    def at(self, path: str) -> str:
        """The URL of a path, with all that must be encoded."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}{quote(f'{parts.path}/{path}')}"

    def read(self, path: str) -> bytes | None:
        """A whole file; None where there is none.

        Raises:
            StoreError: The server doesn't answer, or with something else than the file.
        """
        answer = self._asked(path)
        if answer.status in _MISSING:
            return None
        self._refuse_failure(path, answer)
        if answer.is_page:
            raise StoreError(
                f"The web server answers a request for '{self._shown(path)}' with a page for "
                "people, and not with the file, or with 404 where there is none. Serve the folder "
                "of the lake as plain files."
            )
        return answer.body

    def has(self, path: str) -> bool:
        """Whether there is a file.

        Raises:
            StoreError: The server doesn't tell.
        """
        answer = self._asked(path, method="HEAD")
        if answer.status in _MISSING:
            return False
        self._refuse_failure(path, answer)
        return True

    def check_ranges(self, path: str) -> None:
        """See that the server sends parts of files, of a file that is there; asked only once.

        Raises:
            StoreError: It doesn't: each look at the lake would load whole files.
        """
        if self._serves_ranges:
            return
        answer = self._asked(path, headers={"Range": "bytes=0-0"})
        if answer.status == _NOT_SATISFIABLE:
            return  # the file is empty; the next one will tell
        self._refuse_failure(path, answer)
        if answer.status != _PARTIAL or len(answer.body) != 1:
            raise StoreError(
                f"The web server at '{redact(self.url)}' serves no parts of files: asked for the "
                f"first byte of '{self._shown(path)}' it answered {answer.told} with "
                f"{len(answer.body)} bytes, not 206 Partial Content with 1. Without ranges data "
                "files can't be read. Serve the lake with nginx, Apache, Caddy or an object store "
                "(Python's http.server has no ranges)."
            )
        self._serves_ranges = True

    def names(self, path: str) -> list[str] | None:
        """What a page lists as lying in a folder, folders with a slash at their end, sorted.

        None where there is no such page: there is no folder, or the server lists none.

        Raises:
            StoreError: The server doesn't answer.
        """
        answer = self._asked(f"{path}/" if path else "")
        if answer.status in _MISSING or answer.status in {401, 403}:
            return None
        self._refuse_failure(path, answer)
        return sorted(set(_names_on(answer))) if answer.is_page else None

    def for_each(self, question: Callable[[Item], Got], items: Iterable[Item]) -> list[Got]:
        """Ask several questions at once; give the answers in order."""
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="metaxy-web") as pool:
            return list(pool.map(question, items))

    def _asked(
        self,
        path: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
    ) -> _Answer:
        """The answer, asked for anew when it may pass."""
        url = self.at(path)
        # A server that compresses would send other bytes than those of the file.
        sent = {"Accept-Encoding": "identity", **(headers or {})}
        request = urllib.request.Request(url, headers=sent, method=method)  # noqa: S310 -- http or https, by `Storage.of`
        failure: Exception | None = None
        answer: _Answer | None = None
        for pause_s in self._pauses_s():
            time.sleep(pause_s)
            try:
                answer = _answer(request, self.timeout_s)
            except (OSError, http.client.HTTPException) as error:
                failure = error
                continue
            if answer.status not in _PASSING:
                break
        if answer is not None:
            return answer
        raise StoreError(
            f"The web server at '{redact(self.url)}' doesn't answer: {redact(str(failure))}."
        ) from failure

    def _pauses_s(self) -> Iterator[float]:
        yield 0.0
        for attempt in range(self.retries):
            yield _FIRST_PAUSE_S * 2**attempt

    def _refuse_failure(self, path: str, answer: _Answer) -> None:
        if answer.status < 400:  # noqa: PLR2004 -- what HTTP calls an error begins there
            return
        way_out = (
            "It must let all read the lake, and answer 404 where there is no file. (A bucket "
            "answers so where all may list it; it can also be given as 's3://bucket/lake' with "
            "storage_options={'anonymous': 'true'}.)"
            if answer.status in {401, 403}
            else "Ask those who run it, or try again."
        )
        raise StoreError(
            f"The web server answers a request for '{self._shown(path)}' with {answer.told}. "
            f"{way_out}"
        )

    def _shown(self, path: str) -> str:
        return redact(f"{self.url}/{path}")


def web_folder(url: str, options: Mapping[str, str]) -> WebFolder:
    """The folder of a lake, with the options of its store."""
    defaults = WebFolder(url)
    timeout = options.get("timeout")
    return WebFolder(
        url,
        timeout_s=defaults.timeout_s if timeout is None else _seconds(timeout),
        retries=int(options.get("max_retries", defaults.retries)),
    )


def check_web_lake(root: str, options: Mapping[str, str]) -> None:
    """Refuse what can't be used with a web server.

    Raises:
        ConfigError: The URL has credentials in it, or an option isn't known.
    """
    if "@" in urlsplit(root).netloc:
        raise ConfigError(
            f"root_path is '{redact(root)}': Polars sends no user name and password to web "
            "servers, so such a lake can't be read. Serve it without, give the object store "
            "itself ('s3://…'), or copy the lake.",
            setting="root_path",
        )
    unknown = sorted(set(options) - set(OPTIONS))
    if unknown:
        raise ConfigError(
            f"storage_options has {listed(unknown)}, which no lake on a web server knows; it takes "
            f"{listed(OPTIONS)}.{did_you_mean(unknown[0], OPTIONS)}",
            setting="storage_options",
        )
    if not options.get("max_retries", "0").isdecimal():
        raise ConfigError(
            f"storage_options has max_retries={options['max_retries']!r}; it is a number.",
            setting="storage_options",
        )
    for name in ("connect_timeout", "retry_timeout", "timeout"):
        if name in options:
            _seconds(options[name])


def _seconds(text: str) -> float:
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ConfigError(
            f"storage_options has the time {text!r}; write it like '30s', '500ms' or '2m'.",
            setting="storage_options",
        )
    return float(found[1]) * _UNITS_S[found[2]]


def _answer(request: urllib.request.Request, timeout_s: float) -> _Answer:
    """Ask once; answers that HTTP calls errors are answers, too."""
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as response:  # noqa: S310 -- see `_asked`
            return _Answer(response.status, response.reason, response.read(), response.geturl())
    except urllib.error.HTTPError as error:
        with error:
            return _Answer(error.code, error.reason, b"", error.url)


def _names_on(page: _Answer) -> Iterator[str]:
    """What the links of a page name right below it."""
    base = urlsplit(page.url)
    folder = unquote(base.path).rstrip("/") + "/"
    for link in _links(page.body.decode(errors="replace")):
        target = urlsplit(urljoin(page.url.rstrip("/") + "/", link))
        path = unquote(target.path)
        if target.netloc != base.netloc or target.query or not path.startswith(folder):
            continue
        name = path.removeprefix(folder)
        if name.rstrip("/") and "/" not in name.rstrip("/"):
            yield name


class _Links(HTMLParser):
    """Collects where the links of a page lead."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        target = dict(attrs).get("href")
        if tag == "a" and target:
            self.found.append(target)


def _links(page: str) -> list[str]:
    parser = _Links()
    parser.feed(page)
    return parser.found
