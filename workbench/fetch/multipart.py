"""The one part of a ``multipart/related`` answer, streamed: its bytes as the server sent them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

#: The head of a part is short; a longer one is no part.
MAX_HEAD = 65_536


class Malformed(ValueError):
    """An answer that is not one whole part."""


def boundary_of(content_type: str) -> bytes | None:
    """Boundary of a multipart answer; None where the answer is the object itself.

    Examples
    --------
    >>> boundary_of('multipart/related; type="application/dicom"; boundary="a1"')
    b'a1'
    """
    from email.message import Message

    message = Message()
    message["content-type"] = content_type
    if message.get_content_maintype() != "multipart":
        return None
    boundary = message.get_param("boundary")
    if not isinstance(boundary, str) or not boundary:
        raise Malformed("multipart answer without a boundary")
    return boundary.encode()


def only_part(chunks: Iterable[bytes], boundary: bytes | None) -> Iterator[bytes]:
    r"""Content of the only part, in pieces; nothing is kept but the bytes that may belong to the closing boundary.

    Parameters
    ----------
    chunks : iterable of bytes
        The answer's body.
    boundary : bytes or None
        From :func:`boundary_of`; None passes the body on as it is.

    Raises
    ------
    Malformed
        No part, an unfinished part, or more than one: what came is not one whole object.

    Examples
    --------
    >>> b"".join(only_part([b"--a1\r\nContent-Type: x\r\n\r\nbo", b"dy\r\n--a", b"1--"], b"a1"))
    b'body'
    """
    if boundary is None:
        yield from chunks
        return
    # RFC 2046 5.1.1: the boundary stands at the start of a line; the line break before it belongs to it.
    mark = b"\r\n--" + boundary
    stream = iter(chunks)
    held = _after_head(stream, mark)
    for chunk in stream:
        end = held.find(mark)
        if end >= 0:
            held += chunk
            break
        # The mark may stand across two chunks.
        keep = len(mark) - 1
        if len(held) > keep:
            yield held[:-keep]
            held = held[-keep:]
        held += chunk
    end = held.find(mark)
    if end < 0:
        raise Malformed("the answer ends within the object")
    yield held[:end]
    rest = held[end + len(mark) :] + b"".join(stream)
    if not rest.startswith(b"--"):
        raise Malformed("the answer holds more than one object, or is cut off")


def _after_head(stream: Iterator[bytes], mark: bytes) -> bytes:
    """What was read beyond the head of the first part."""
    held = b"\r\n"
    for chunk in stream:
        held += chunk
        start = held.find(mark)
        if start >= 0:
            head = held.find(b"\r\n\r\n", start + len(mark))
            if head >= 0:
                # A part without headers would have its blank line at once: the break before content is the head's.
                return held[head + 4 :]
        if len(held) > MAX_HEAD + len(chunk):
            break
    raise Malformed("no object in the answer")
