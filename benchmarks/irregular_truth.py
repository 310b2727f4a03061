"""An answer beside the truth: right, said, refused or silently wrong, and in what."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from benchmarks.irregular_files import Frame
from benchmarks.irregular_readers import Answer, Refusal

Verdict = Literal["right", "said", "refused", "silently wrong"]
VERDICTS: Final[tuple[Verdict, ...]] = ("right", "said", "refused", "silently wrong")
#: mm that a place may be off: 2 % of the step, what two who both allow 1 % of unevenness may differ by.
PLACE_MM: Final = 0.04
#: Letters of a message that are shown.
SHOWN: Final = 90


@dataclass(frozen=True)
class Outcome:
    """How one reader did on one input."""

    #: The class of the outcome.
    verdict: Verdict
    #: What was measured, in words.
    words: str
    #: dtype of the values, empty where refused.
    dtype: str = ""


def judge(truth: Sequence[Frame], answer: Answer, *, codes: tuple[str, ...] | None = None) -> Outcome:
    """Class of an answer; with *codes* only one of these findings counts as said, without any warning does."""
    problems = compare(truth, answer)
    told = answer.said if codes is None else set(answer.said) & set(codes)
    verdict: Verdict = "right" if not problems else "said" if told else "silently wrong"
    shapes = " and ".join(_by(shape) for shape in answer.shapes)
    words = [f"{shapes} {answer.dtype}", *([f"{answer.step:.4g} mm"] if answer.step is not None else [])]
    words.append("first " + ", ".join(f"{frame.values.flat[0]:g}" for frame in answer.frames[:3]))
    if codes is not None:
        words.extend(f"`{code}`" for code in answer.said)
    elif answer.said:
        words.append(f"warning “{first_line(answer.said[0])}”")
    return Outcome(verdict, "; ".join([*(f"*{problem}*" for problem in problems), ", ".join(words)]), answer.dtype)


def refused(error: Refusal) -> Outcome:
    """Outcome of an error."""
    return Outcome("refused", f"{error.kind}: {first_line(error.message)}")


def compare(truth: Sequence[Frame], answer: Answer) -> list[str]:
    """What is not as it is in truth, in words; empty where all is."""
    left = list(answer.frames)
    pairs, unmatched = [], 0
    for true in truth:
        found = next((frame for frame in left if same_values(true, frame)), None)
        if found is None:
            unmatched += 1
        else:
            left.remove(found)
            pairs.append((true, found))
    absent, surplus = len(truth) - len(answer.frames), len(answer.frames) - len(truth)
    problems = []
    shapes = {frame.values.shape for frame in answer.frames}
    if not pairs and shapes.isdisjoint(frame.values.shape for frame in truth):
        return [f"{len(answer.frames)} of {_by(shapes.pop())} for {len(truth)} of {_by(truth[0].values.shape)}"]
    if unmatched > max(0, absent):
        problems.append(f"values of {unmatched - max(0, absent)} of {len(truth)} images wrong")
    if absent > 0:
        problems.append(f"{absent} of {len(truth)} images absent")
    if surplus > 0:
        problems.append(f"{surplus} image{'s' * (surplus > 1)} too many")
    return problems + _places(pairs, answer) + _lengths(pairs) + _keys(truth, answer)


def _by(sizes: Sequence[int]) -> str:
    return "×".join(map(str, sizes))


def same_values(a: Frame, b: Frame) -> bool:
    """Whether two images hold the same numbers, to the precision of float32."""
    return a.values.shape == b.values.shape and bool(np.allclose(a.values, b.values, rtol=1e-5, atol=1e-4))


def _places(pairs: list[tuple[Frame, Frame]], answer: Answer) -> list[str]:
    problems = []
    offs = [
        float(np.linalg.norm(np.subtract(true.position, found.position)))
        for true, found in pairs
        if true.position is not None and found.position is not None
    ]
    if any(true.position is not None and found.position is None for true, found in pairs):
        problems.append("places not told")
    if offs and max(offs) > PLACE_MM:
        problems.append(f"places off by up to {max(offs):.2g} mm")
    # An origin of 0 for a lone picture harms nobody; a distance between slices where none is known does.
    if sum(true.position is None for true, _ in pairs) > 1 and answer.step is not None:
        problems.append(f"slice distance {answer.step:g} mm made up")
    return problems


def _lengths(pairs: list[tuple[Frame, Frame]]) -> list[str]:
    """Directions and pixel spacing, where both know them; a pixel spacing where the data has none."""
    problems = []
    turned = [f for t, f in pairs if t.orientation and f.orientation and not _near(t.orientation, f.orientation)]
    if turned:
        problems.append(f"direction of {len(turned)} of {len(pairs)} images wrong")
    scaled = [f for t, f in pairs if t.spacing and f.spacing and not _near(t.spacing, f.spacing)]
    made_up = [f for t, f in pairs if not t.spacing and f.spacing and np.isfinite(f.spacing).all()]
    if scaled or made_up:
        spacing = "×".join(f"{v:.3g}" for v in (scaled or made_up)[0].spacing or ())
        problems.append(f"pixel spacing {spacing} mm {'wrong' if scaled else 'made up'}")
    return problems


def _near(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return bool(np.allclose(a, b, atol=1e-4))


def _keys(truth: Sequence[Frame], answer: Answer) -> list[str]:
    """Whether what tells images at one place apart is told."""
    names = sorted({name for frame in truth for name in frame.keys})
    lost = [name for name in names if not all(name in frame.keys for frame in answer.frames)]
    if lost:
        return [f"{' and '.join(lost)} not told"]
    for true in truth if names else ():
        found = next((frame for frame in answer.frames if same_values(true, frame)), None)
        if found is not None and any(abs(true.keys[name] - found.keys[name]) > 1e-6 for name in names):
            return [f"{' and '.join(names)} mixed up"]
    return []


def first_line(text: str) -> str:
    """First telling line of a message, without addresses, folders and the places in source files."""
    lines = (re.sub(r"\s+", " ", line).strip() for line in text.splitlines())
    telling = [line for line in lines if line and not line.startswith(("Exception thrown", "WARNING: In"))]
    line = (telling or [text])[0]
    for pattern, plain in ((r" ?\(0x[0-9a-f]+\)", ""), (r"/\S*/", ""), (r"\|", "/"), (r"`", "'"), (r"\*", "")):
        line = re.sub(pattern, plain, line)
    return line if len(line) <= SHOWN else line[: SHOWN - 1] + "…"
