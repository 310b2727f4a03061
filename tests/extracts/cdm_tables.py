"""Invented tables of the common data model, in both forms."""

# ruff: noqa: E501

from __future__ import annotations

#: Tables of a flow export, as the reference example has them in part: file -> text.
CDM_FLOW = {
    "patient_20260102_030405_records.csv": """identifier,patient_managing_organization,patient_birth_sex
ABC-1,Hospital A,COM1001366
ABC-2,Hospital A,COM1001370
""",
    "episode_20260102_030405_records.csv": """identifier,datasetidentifier,patientidentifier,episode_type_code,episode_number,episode_start_date
ep-1,ds0001,ABC-1,GEN1000008,1,2019-05-01
""",
    "dataset_20260102_030405_records.csv": 'identifier,dataset_title,dataset_description\nds0001,Example,"Two, \\"invented\\""\n',
    "cancer_condition_20260102_030405_records.csv": """identifier,cancer_condition_asserted_date,cancer_condition_age_at_diagnosis,cancer_condition_age_unit,cancer_condition_histology_morphology
cc-1,2019-05-01,61.40,COM1000151,CLIN1033194
cc-2,,70.00,COM1000151,NOT FOUND
""",
    "tumor_marker_test_20260102_030405_records.csv": """identifier,tumor_marker_test_code,tumor_marker_test_as_number,tumor_marker_test_as_concept,tumor_marker_test_as_unit,tumor_marker_date
tm-1,CLIN1000227,7.70,,,2019-04-01
tm-2,CLIN1049757,,CLIN1046663,,2020-01-01
tm-3,CLIN1033410,999.99,,,2019-06-01
""",
    "image_study_20260102_030405_records.csv": """id,study_uid,study_offset_from_diagnosis,study_offset_unit,imagingtimepoint
1,2.25.101,0.00,COM1000153,1
2,2.25.102,366.00,COM1000153,2
""",
    "image_tag_20260102_030405_records.csv": """id,imagestudyuid,imageseriesuid,slicethickness
1,2.25.101,2.25.1011,3.00
2,2.25.103,2.25.1031,3.00
""",
    "mapping_logs/mapping_results_20260102_030405_records.csv": """id,datasetid,propertynameoriginal,propertynameeucaim,originalvalue,parsedvalue,codeineucaim,codecandidatesineucaim,mappingtimestamp
1,ds0001,histology,HistologyMorphologyBehaviour,phyllodes,phyllodes,NOT FOUND,,2026-01-02 03:04:05
""",
}
#: Tables of a database dump.
CDM_DUMP = {
    "dataset.csv": "dataset_id,dataset_title\nds0001,Example\n",
    "patient.csv": """patient_id,dataset_id,patient_birth_sex,patient_deceased,patient_date_of_last_contact
ABC-1,ds0001,COM1001366,f,2022-03-01
ABC-2,ds0001,COM1001370,f,
""",
    "cancer_condition.csv": """cancer_condition_id,patient_id,identifier,cancer_condition_age_at_diagnosis,cancer_condition_age_unit,cancer_condition_asserted_date,episode
1,ABC-1,cc-1,61.40,COM1000151,2019-05-01,
2,ABC-2,cc-2,70.00,COM1000151,,
""",
    "histologic_grade.csv": """histologic_grade_id,cancer_condition_id,patient_id,histologic_grade_code,histologic_grade_value_as_concept
1,1,,CLIN1037300,COM1001365
""",
    "procedure.csv": """procedure_id,cancer_condition_id,procedureidentifier,procedure_code,procedure_offset_from_diagnosis,procedure_offset_unit,procedure_date,imagingtimepoint,episode
1,1,pr-1,IMG1000022,0.00,COM1000153,2019-05-01,,
3,2,pr-3,IMG1000026,12.00,COM1000153,,,
""",
    "tumor.csv": """tumor_id,cancer_condition_id,patient_id,identifier,tumor_is_index,tumor_volume,tumor_volume_unit,tumor_size_maximum_dimension,tumor_size_dimension_unit
1,1,,tu-1,t,,4.20,2.10,
""",
    "tumor_observation.csv": """tumor_observation_id,tumor_id,patient_id,tumor_observation_code,tumor_observation_value_unit,tumor_observation_value_as_concept,tumor_observation_value_as_number
5,1,,IMG1005457,,,4
""",
    "image_study.csv": """study_id,procedure_id,patient_id,study_uid,imagingtimepoint,study_offset_from_diagnosis,study_offset_unit
1,1,,2.25.101,1,,
3,3,,2.25.201,1,12.00,COM1000153
""",
    "image_series.csv": """series_id,series_uid,study_uid,study_id,series_number,series_body_side_code,series_modality
1,2.25.1011,2.25.101,1,3,BP1000021,IMG1000038
3,2.25.2019,2.25.201,3,9,,Segmentation
""",
}
