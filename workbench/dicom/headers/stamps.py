"""What tells that a file is the one it was: not its time alone, which copying tools and archives set as they like."""

from __future__ import annotations

import os


def stamp_of(facts: os.stat_result) -> int:
    """A number that is another one where a file was written, replaced, or stands under the name of another.

    Parameters
    ----------
    facts : os.stat_result
        Of the file, links followed.

    Returns
    -------
    int
        Of 64 bits: the file's number on its disk, its size, and when its content and its entry changed.

    Notes
    -----
    Two folders that change their names leave size and time of every path as they were; so does content that is copied
    with its time. The file's number and the time of its entry, which no program can set, do not stay: what Git's index
    compares too (git-update-index, core.checkStat).

    Examples
    --------
    >>> import tempfile
    >>> first, other = (tempfile.mkstemp()[1] for _ in range(2))
    >>> os.utime(first, (1, 1)); os.utime(other, (1, 1))
    >>> stamp_of(os.stat(first)) == stamp_of(os.stat(first)), stamp_of(os.stat(first)) == stamp_of(os.stat(other))
    (True, False)
    """
    # The hash of whole numbers is the same in every process.
    return hash((facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns))


def identity_of(facts: os.stat_result) -> int:
    """A number that says which file it is, with which content, as long as nobody sets its time back.

    What is read again long after it was indexed is held against this one: a backup that makes hard links changes the
    entry of every file, and none of them.

    Examples
    --------
    >>> import tempfile
    >>> path = tempfile.mkstemp()[1]
    >>> before = os.stat(path)
    >>> os.link(path, f"{path}.linked")
    >>> identity_of(os.stat(path)) == identity_of(before)
    True
    """
    return hash((facts.st_ino, facts.st_size, facts.st_mtime_ns))
