from __future__ import annotations

import errno
from pathlib import Path

import pytest

from workbench.errors import WriteError
from workbench.writing import aside, write_text


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    target = tmp_path / "folder" / "note.txt"
    write_text(target, "first")
    write_text(target, "second\n")
    assert target.read_bytes() == b"second\n"
    assert [path.name for path in target.parent.iterdir()] == ["note.txt"]


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), ValueError("inside"), KeyboardInterrupt()]
)
def test_what_stood_there_stays_when_writing_ends_badly(tmp_path: Path, error: BaseException) -> None:
    target = tmp_path / "note.txt"
    write_text(target, "before")
    expected = WriteError if isinstance(error, OSError) else type(error)
    with pytest.raises(expected), aside(target) as place:  # noqa: PT012  the block is what is tested
        place.write_text("half")
        raise error
    assert target.read_text() == "before"
    assert list(tmp_path.iterdir()) == [target]


def test_the_error_names_the_file_the_reason_and_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError) as caught:
        write_text(tmp_path / "file" / "note.txt", "text")
    assert caught.value.file == "note.txt"
    assert caught.value.remedy
