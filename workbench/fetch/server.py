"""A DICOMweb server: asked over verified TLS, with credentials from the environment alone.

``WORKBENCH_DICOMWEB_TOKEN`` (a bearer token), or ``WORKBENCH_DICOMWEB_USER`` and ``WORKBENCH_DICOMWEB_PASSWORD``;
``WORKBENCH_DICOMWEB_CA`` names a file of certificates to trust besides the system's own. Nothing of a request's
content, credentials or attribute values stands in an error or a log.
"""

from __future__ import annotations

import ipaddress
import json
import logging
import os
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode, urlsplit

from workbench.errors import FetchError, MissingExtra, UsageError
from workbench.fetch.multipart import Malformed, boundary_of, only_part
from workbench.fetch.query import first_value

if TYPE_CHECKING:
    import requests

#: Results asked for at a time, and at most.
PAGE: Final = 1000
MAX_RESULTS: Final = 10_000_000
#: An answer to a search may be this large; an object this large.
MAX_ANSWER: Final = 256 << 20
MAX_OBJECT: Final = 32 << 30
#: Seconds to connect, and between two pieces of an answer.
TIMEOUT: Final = (10.0, 60.0)
#: Times a request is repeated where the server is busy or out of reach, with growing pauses.
RETRIES: Final = 3
_CHUNK: Final = 1 << 20
#: Name of an attribute in DICOM JSON (PS3.18 F.2.2).
_TAG: Final = re.compile(r"[0-9A-Fa-f]{8}")
#: Status -> what it means and what to do.
_STATUS: Final = {
    401: ("the server wants credentials", "set WORKBENCH_DICOMWEB_TOKEN, or ..._USER and ..._PASSWORD"),
    403: ("the server refuses these credentials", "ask who runs it for access"),
    404: ("the server does not know this address or object", "check the URL; it ends where /studies begins"),
    413: ("the server finds the result too large", "narrow the query"),
}


class Server:
    """A DICOMweb server.

    Parameters
    ----------
    url : str
        Base address, what stands before ``/studies``.

    Raises
    ------
    UsageError
        Not an address, credentials in it, or plain http to another machine.
    MissingExtra
        The extra ``dicomweb`` is not installed.
    """

    def __init__(self, url: str) -> None:
        self.url = _checked(url)
        #: The address without anything secret, for records and messages.
        self.name = self.url
        #: File of certificates to trust; None for the usual ones. Given with each request: requests lets its own
        #: environment variables go before a session's.
        self._authority = os.environ.get("WORKBENCH_DICOMWEB_CA") or None
        if self._authority and not os.path.isfile(self._authority):
            raise UsageError("WORKBENCH_DICOMWEB_CA names no file", remedy="name a file of PEM certificates")
        self._local = threading.local()
        self._new_session()

    def search(
        self, path: str, conditions: Mapping[str, str], fields: tuple[str, ...], *, expected: int | None = None
    ) -> Iterator[dict[str, Any]]:
        """Results of a QIDO-RS search as DICOM JSON objects, each once, page after page.

        Parameters
        ----------
        path : str
            ``studies``, ``studies/<uid>/series`` …
        conditions : mapping
            Keyword -> value.
        fields : tuple of str
            Tags that the results should hold besides the usual.
        expected : int, optional
            How many there are, where that is known: spares asking for a page that will be empty.

        Raises
        ------
        FetchError
            The server does not answer, refuses, or answers something else.
        """
        seen: set[str] = set()
        offset = 0
        while offset < MAX_RESULTS:
            asked = [*conditions.items(), *(("includefield", tag) for tag in fields)]
            asked += [("limit", str(PAGE)), ("offset", str(offset))]
            # RFC 3986 3.4 lets these stand in a query, and some servers do not see a wildcard that is written %2A.
            page = self._json(f"{path}?{urlencode(asked, safe='*?,^', quote_via=quote)}")
            before = len(seen)
            for item in page:
                key = _key(item)
                if key not in seen:
                    seen.add(key)
                    yield item
            # A server may give fewer than it was asked for and still hold more; one that passes over the offset
            # sends the same again.
            if len(seen) == before or (expected is not None and len(seen) >= expected):
                return
            offset += len(page)

    def download(self, path: str, place: Path) -> Iterator[bytes]:
        """Write one object to *place* as the server stores it, giving its bytes piece by piece.

        Raises
        ------
        FetchError
            The server does not answer, refuses, or what came is not whole.
        OSError
            *place* cannot be written.
        """
        accept = 'multipart/related; type="application/dicom"; transfer-syntax=*'
        with self._get(path, accept, "identity") as answer:
            try:
                boundary = boundary_of(answer.headers.get("Content-Type", ""))
                size = 0
                with place.open("wb") as file:
                    for piece in only_part(self._pieces(answer), boundary):
                        size += len(piece)
                        if size > MAX_OBJECT:
                            raise FetchError("an object larger than 32 GiB", remedy="ask who runs the server")
                        file.write(piece)
                        yield piece
                    file.flush()
                    os.fsync(file.fileno())
            except Malformed as error:
                raise FetchError(f"an object did not arrive whole: {error}", remedy=_AGAIN) from None

    def _json(self, path: str) -> list[dict[str, Any]]:
        with self._get(path, "application/dicom+json", "gzip") as answer:
            if answer.status_code == 204:
                return []
            body = bytearray()
            for piece in self._pieces(answer):
                body += piece
                if len(body) > MAX_ANSWER:
                    raise FetchError("an answer larger than 256 MiB", remedy="narrow the query")
        if not body:
            return []
        try:
            found = json.loads(body)
        except (ValueError, RecursionError):
            found = None
        # Some servers send one result without the list around it; what holds no attribute is no result.
        lone = isinstance(found, dict) and any(_TAG.fullmatch(name) for name in found)
        items = [found] if lone else found
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise FetchError("the answer is not DICOM JSON", remedy="check that the URL is the DICOMweb address")
        return items

    def _pieces(self, answer: requests.Response) -> Iterator[bytes]:
        import requests

        try:
            yield from answer.iter_content(_CHUNK)
        except requests.RequestException as error:
            raise FetchError(f"the connection broke: {_kind(error)}", remedy=_AGAIN) from None

    @contextmanager
    def _get(self, path: str, accept: str, encoding: str) -> Iterator[requests.Response]:
        import requests

        headers = {"Accept": accept, "Accept-Encoding": encoding}
        with _hidden():
            try:
                answer = self._session.get(
                    f"{self.url}/{path}", headers=headers, timeout=TIMEOUT, stream=True, allow_redirects=False,
                    verify=self._authority,
                )  # fmt: skip
            except requests.exceptions.SSLError:
                raise FetchError(
                    "the server's certificate cannot be verified",
                    remedy="name the file of your authority's certificates with WORKBENCH_DICOMWEB_CA",
                ) from None
            except (requests.RequestException, ValueError) as error:
                raise _unanswered(error) from None
            with answer:
                if answer.status_code not in (200, 204):
                    raise _refused(answer.status_code)
                yield answer

    @property
    def _session(self) -> requests.Session:
        """A session per thread: they are not made to be shared."""
        if not hasattr(self._local, "session"):
            self._local.session = self._new_session()
        session: requests.Session = self._local.session
        return session

    def _new_session(self) -> requests.Session:
        try:
            import requests
            from requests.adapters import HTTPAdapter
            from urllib3.util import Retry
        except ImportError:
            raise MissingExtra(
                "fetching from a PACS needs the extra dicomweb",
                remedy='pip install "cancer-imaging-workbench[dicomweb]"',
            ) from None
        session = requests.Session()
        again = Retry(
            total=RETRIES, backoff_factor=0.5, status_forcelist=(429, 502, 503, 504), allowed_methods=("GET",),
            raise_on_status=False, respect_retry_after_header=True,
        )  # fmt: skip
        for scheme in ("https://", "http://"):
            session.mount(scheme, HTTPAdapter(max_retries=again))
        session.auth = _credentials()
        return session


_AGAIN: Final = "run the same command again: it goes on where it was"


def _credentials() -> Any:
    """What signs a request; a callable also where there is nothing to sign with, so that no file is consulted."""
    token = os.environ.get("WORKBENCH_DICOMWEB_TOKEN")
    user, password = (os.environ.get(f"WORKBENCH_DICOMWEB_{name}") for name in ("USER", "PASSWORD"))
    if token and user:
        raise UsageError("both a token and a user are set", remedy="unset one of the WORKBENCH_DICOMWEB_ variables")
    if bool(user) != bool(password):
        raise UsageError(
            "only one of user and password is set", remedy="set WORKBENCH_DICOMWEB_USER and WORKBENCH_DICOMWEB_PASSWORD"
        )
    if user and password:
        return user, password

    def sign(request: Any) -> Any:
        if token:
            request.headers["Authorization"] = f"Bearer {token}"
        return request

    return sign


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        parts, host = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not host:
        raise UsageError("not the address of a server", remedy="https://HOST/PATH, what stands before /studies")
    if parts.username or parts.password or "@" in parts.netloc:
        raise UsageError(
            "credentials in the address would stand in logs and histories",
            remedy="set WORKBENCH_DICOMWEB_USER and WORKBENCH_DICOMWEB_PASSWORD instead",
        )
    if parts.query or parts.fragment:
        raise UsageError("the address holds a query", remedy="give conditions with --query KEYWORD=VALUE")
    if parts.scheme == "http" and not _loopback(host):
        raise UsageError(
            "plain http to another machine: patients' images would travel readable", remedy="use its https address"
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _key(item: Mapping[str, Any]) -> str:
    """What tells a result apart: its most particular UID."""
    for tag in ("00080018", "0020000E", "0020000D"):
        value = first_value(item, tag)
        if value:
            return value
    return json.dumps(item, sort_keys=True)


def _kind(error: Exception) -> str:
    """Name of what went wrong; the error's own text holds the address with the values asked for."""
    words = {"ConnectTimeout": "no connection in time", "ReadTimeout": "no answer in time"}
    return words.get(type(error).__name__, "the connection failed")


def _unanswered(error: Exception) -> FetchError:
    """A server that is not reached: an address that nobody has, or a network that may be there again later."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    if type(reason).__name__ == "NameResolutionError":
        return FetchError("no machine of that name is known", remedy="check the address of the server, and the network")
    return FetchError(
        f"the server does not answer: {_kind(error)}",
        remedy="check its address and the network, then run the same command again: what had arrived is kept",
    )


def _refused(status: int) -> FetchError:
    what, remedy = _STATUS.get(status, (f"the server answers with status {status}", "ask who runs it"))
    if 300 <= status < 400:
        what, remedy = "the server sends elsewhere, which is not followed", "use the address it really has"
    return FetchError(what, remedy=remedy)


class _Hidden(logging.Filter):
    """Drops what libraries log of requests made here: their addresses hold what was asked for.

    By thread, so that what other code of the process logs meanwhile stays.
    """

    def __init__(self) -> None:
        super().__init__()
        self._here = threading.local()

    def filter(self, record: logging.LogRecord) -> bool:
        return not getattr(self._here, "busy", False)

    @contextmanager
    def __call__(self) -> Iterator[None]:
        for name in ("urllib3.connectionpool", "urllib3.util.retry", "requests"):
            logging.getLogger(name).addFilter(self)
        self._here.busy = True
        try:
            yield
        finally:
            self._here.busy = False


_hidden: Final = _Hidden()
