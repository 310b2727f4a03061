from __future__ import annotations

import pytest

from workbench import errors


def test_the_message_says_what_where_and_what_to_do() -> None:
    error = errors.TruncatedFile("8130 bytes of pixels", file="a/b.dcm", remedy="ask the node again", tag="PixelData")
    assert str(error) == "8130 bytes of pixels [a/b.dcm]. ask the node again"
    assert (error.file, error.tag, error.remedy) == ("a/b.dcm", "PixelData", "ask the node again")


def test_every_error_is_ours_and_says_in_one_line_what_it_is() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    assert len(kinds) > 15
    for kind in kinds:
        assert issubclass(kind, errors.WorkbenchError)
        assert kind.__doc__


@pytest.mark.parametrize(("kind", "code"), [(errors.PathNotFound, 2), (errors.EmptyExtract, 1), (errors.WriteError, 1)])
def test_misuse_and_failure_end_a_command_differently(kind: type[errors.WorkbenchError], code: int) -> None:
    assert kind("something").exit_code == code
