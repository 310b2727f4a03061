"""What a condition or a query may hold."""

from __future__ import annotations

from pathlib import Path

import pytest

import workbench as wb
from tests.cohort.made import Made, cohort_of, image
from workbench.cohort.database.statements import check_condition
from workbench.errors import QueryError
from workbench.extracts.record import ClinicalRow


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> wb.Cohort:
    def made(node: str) -> Made:
        return Made([image(f"{node}1", f"{node}.1")], [ClinicalRow(f"{node}1", "sex", "F", table="t", file="t.csv")])

    return cohort_of(tmp_path_factory.mktemp("both"), {"h1": made("a"), "h2": made("b")})


@pytest.fixture(scope="module")
def one(both: wb.Cohort) -> wb.Cohort:
    return both.where("node = 'h2'")


#: Queries that would show what a condition left out, or what is about the engine.
BEYOND = [
    "select distinct node from all_values",
    "select * from all_series",
    "select * from all_clinical",
    "select * from all_instances",
    "select * from ALL_VALUES",
    'select * from "all_values"',
    "select * from main.all_values",
    "select * from memory.main.all_values",
    "select * from main.series",
    "select * from persons",
    "select * from kept_patients",
    "select * from information_schema.tables",
    "select * from duckdb_views()",
    "select * from sqlite_master",
    "select * from pg_catalog.pg_tables",
    "select * from query('select * from all_values')",
    "select * from query_table('all_values')",
    "select (select count(*) from all_values)",
    "select * from series where exists (from all_values)",
    "with mine as (select * from all_values) select * from mine",
    "with all_values as (select * from all_values) select * from all_values",
    "select * from (with all_values as (select 1) from all_values), all_values",
    "from series union all from all_series",
    "show tables",
    "show all tables",
    "describe all_values",
    "summarize all_values",
    "explain select * from all_values",
    "explain analyze select * from all_values",
    "pivot all_values on variable in ('sex') using count(*)",
    "from series select node order by (select count(*) from all_values)",
]


@pytest.mark.parametrize("query", BEYOND)
def test_a_query_stays_in_its_cohort(one: wb.Cohort, query: str) -> None:
    with pytest.raises(QueryError):
        one.sql(query)


def test_no_parent_can_be_asked(both: wb.Cohort, one: wb.Cohort) -> None:
    with pytest.raises(QueryError, match="no table of a cohort"):
        one.sql(f"select * from {both._database._schema}.patients")


ASKED = [
    "select node from series",
    "from PATIENTS select node",
    "select distinct s.node from series s join clinical c using (node, patient_id)",
    'with mine as (select * from "values") select node from mine',
    "with recursive t as (select 1 as n union all select n + 1 from t where n < 3) select 'h2' as node, n from t",
    "select 'h2' as node, unnest([1, 2])",
    "select 'h2' as node from range(3)",
    "select node from (values ('h2')) v(node)",
    "select node, [x + 1 for x in [1, 2]] from series",
    "pivot \"values\" on variable in ('sex') using count(*) group by node",
    "select node, random() from series;",
]


@pytest.mark.parametrize("query", ASKED)
def test_whatever_asks_the_cohorts_tables_is_answered(one: wb.Cohort, query: str) -> None:
    assert set(one.sql(query)["node"]) == {"h2"}


@pytest.mark.parametrize("query", ["describe series", 'describe "values"', "summarize patients", "explain from series"])
def test_tables_can_be_described(one: wb.Cohort, query: str) -> None:
    assert len(one.sql(query))


#: Conditions whose answer is another one tomorrow, or next time.
CHANGING = [
    "random() < 0.5",
    "RANDOM() < 0.5",
    "uuid() < 'a'",
    "now() > date",
    "date < current_date",
    "date < CURRENT_TIMESTAMP::date",
    "date < today()",
    "age(date::timestamp) > interval 1 year",
    "node = current_setting('TimeZone')",
    "sex = 'female' and (node = 'h1' or random() > 2)",
    "exists (select 1 from series tablesample 10%)",
]


@pytest.mark.parametrize("condition", CHANGING)
def test_a_condition_has_one_answer(both: wb.Cohort, condition: str) -> None:
    with pytest.raises(QueryError, match="each time it is asked"):
        both.where(condition)
    with pytest.raises(QueryError, match="each time it is asked"):
        both.attrition([("step", condition)])
    with pytest.raises(QueryError):
        both.sample(1, stratify=condition)


#: Texts that are read otherwise between brackets than alone.
UNBALANCED = [
    "1=1) or (1=1",
    "1=1 --",
    "node = 'h1' -- or all",
    "node = 'h1' /* all */",
    "1=1, 2=2",
    "1=1 from series",
    "1=1 order by 1",
    "1=1 union select true",
    "1=1;",
    "1=1 as holds",
    "*",
    "1=1) as a, (1=1",
]


@pytest.mark.parametrize("condition", UNBALANCED)
def test_a_condition_is_one_expression(both: wb.Cohort, condition: str) -> None:
    with pytest.raises(QueryError):
        both.where(condition)


@pytest.mark.parametrize("condition", [query for query in BEYOND if query.startswith(("select *", "with"))])
def test_a_condition_asks_no_other_table(both: wb.Cohort, condition: str) -> None:
    with pytest.raises(QueryError):
        both.where(f"exists ({condition})")


KEPT = [
    "node = '--' or sex = 'female'",
    "sex = 'female'\n and modality = 'CT'",
    "(sex = 'female') or (modality = 'MR')",
    "exists (select 1 from clinical c where c.sex = 'female')",
    "clinical.sex = 'female'",
    "age(timestamp '2020-01-01', timestamp '2010-01-01') > interval 1 year",
    "year(date '2020-01-01') = 2020 and date_part('month', date '2020-01-01') = 1",
    "case when sex = 'female' then true end",
    "sex in ('female', 'male') and sex is not null and node like 'h%'",
    "patient_id in (select patient_id from \"values\" where variable = 'sex')",
    "timepoint = timepoint and list_contains(['CT'], modality)",
]


@pytest.mark.parametrize("condition", KEPT)
def test_conditions_as_they_are_written(both: wb.Cohort, condition: str) -> None:
    assert both.where(condition).nodes == ["h1", "h2"]
    assert len(both.where(condition).patients) == 2


def test_a_condition_of_any_depth_is_read_or_refused(tmp_path: Path) -> None:
    for depth in (20, 5_000):
        try:
            check_condition("(" * depth + "1=1" + ")" * depth)
        except QueryError:
            assert depth > 100


@pytest.mark.parametrize("condition", [
    "row_number() over () > 1", "lag(Modality) over (partition by patient_id) = 'CT'", "ntile(2) over () = 1",
    "any_value(sex) over () = 'male'", "count(*) over (rows 1 preceding) > 1",
])  # fmt: skip
def test_a_condition_knows_no_order_but_the_one_it_names(both: wb.Cohort, condition: str) -> None:
    with pytest.raises(QueryError, match="order of the rows"):
        both.where(condition)


@pytest.mark.parametrize("condition", [
    "count(*) over (partition by node) > 1", "row_number() over (order by SeriesInstanceUID) = 1",
    "max(StudyDate) over (partition by patient_id) = StudyDate",
])  # fmt: skip
def test_windows_whose_answer_no_order_changes_are_asked(both: wb.Cohort, condition: str) -> None:
    check_condition(condition)
