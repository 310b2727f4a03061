from __future__ import annotations

import pytest

from workbench.errors import UsageError
from workbench.labels.codes import concepts, find_concept, search_codes


def test_every_code_is_in_the_dictionary_of_pydicom_under_the_same_meaning() -> None:
    from pydicom.sr._concepts_dict import concepts as known

    of_code: dict[str, set[str]] = {}
    groups: dict[str, set[int]] = {}
    for scheme, keywords in known.items():
        for meanings in keywords.values():
            for value, (meaning, cids) in meanings.items():
                of_code.setdefault(f"{scheme}:{value}", set()).add(meaning)
                groups.setdefault(f"{scheme}:{value}", set()).update(cids)
    assert len(concepts()) > 300
    for concept in concepts():
        assert concept.meaning in of_code[concept.code]
        assert set(concept.context_groups) <= groups[concept.code]


def test_every_type_has_a_category_of_the_table() -> None:
    categories = {concept.code for concept in concepts() if concept.kind == "category"}
    types = [concept for concept in concepts() if concept.kind == "type"]
    assert types
    assert all(concept.categories and set(concept.categories) <= categories for concept in types)


def test_words_find_codes_whatever_their_case_and_order() -> None:
    found = search_codes("LUNG lobe")
    assert {"SCT:45653009", "SCT:90572001"} <= set(found["code"])
    assert list(found.columns) == ["code", "meaning", "kind", "category"]
    assert search_codes("108369006", kind="type")["meaning"].tolist() == ["Neoplasm"]
    assert search_codes("prostate", kind="region")["code"].tolist() == ["SCT:41216001"]
    assert search_codes("no such thing").empty


def test_a_kind_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UsageError, match="'category', 'type' or 'region'"):
        search_codes("liver", kind="organ")  # type: ignore[arg-type]


def test_an_anatomical_type_is_a_region_and_a_lesion_is_none() -> None:
    lung = find_concept("SCT:39607008", "region")
    assert lung is not None
    assert lung.meaning == "Lung"
    assert (lung.scheme, lung.value) == ("SCT", "39607008")
    assert find_concept("SCT:108369006", "region") is None
    assert find_concept("SCT:1", "type") is None


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        ("tumour", "Neoplasm"), ("tumor", "Neoplasm"), ("Cancer", "Neoplasm"), ("metastases", "Neoplasm, Secondary"),
        ("oesophagus", "Esophagus"), ("haemorrhage", "Hemorrhage"), ("small bowel", "Small intestine"),
    ],
)  # fmt: skip
def test_words_that_people_use_are_found(said: str, meaning: str) -> None:
    assert meaning in search_codes(said)["meaning"].tolist()
    assert search_codes("no such word").empty
