"""The features, as a table: what each is called, the family it belongs to, its IBSI tag and its unit.

Tags and definitions: Image Biomarker Standardisation Initiative, reference manual (arXiv 1612.07003), chapter 3. A
feature without a tag is not one of theirs; it is described where it is computed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Definition:
    """One feature."""

    #: What it is called.
    name: str
    #: Family that ``groups=`` names.
    group: str
    #: Tag of IBSI 1, empty where they define no such thing.
    ibsi: str
    #: UCUM unit; ``{u}`` and ``{u2}`` stand for the unit of the image and its square.
    unit: str


_VOLUME: Final = """
n_voxels                  -                          1
volume                    morph_volume               mm3
volume_voxels             morph_vol_approx           mm3
"""

_SHAPE: Final = """
surface_area              morph_area_mesh            mm2
surface_to_volume         morph_av                   /mm
compactness_1             morph_comp_1               1
compactness_2             morph_comp_2               1
spherical_disproportion   morph_sph_dispr            1
sphericity                morph_sphericity           1
asphericity               morph_asphericity          1
com_shift                 morph_com                  mm
diameter_3d               morph_diam                 mm
major_axis                morph_pca_maj_axis         mm
minor_axis                morph_pca_min_axis         mm
least_axis                morph_pca_least_axis       mm
elongation                morph_pca_elongation       1
flatness                  morph_pca_flatness         1
volume_density_box        morph_vol_dens_aabb        1
area_density_box          morph_area_dens_aabb       1
volume_density_ellipsoid  morph_vol_dens_aee         1
area_density_ellipsoid    morph_area_dens_aee        1
volume_density_hull       morph_vol_dens_conv_hull   1
area_density_hull         morph_area_dens_conv_hull  1
integrated_intensity      morph_integ_int            {u}.mm3
diameter_in_slice         -                          mm
diameter_perpendicular    -                          mm
n_parts                   -                          1
centroid_x                -                          mm
centroid_y                -                          mm
centroid_z                -                          mm
extent_z                  -                          mm
extent_y                  -                          mm
extent_x                  -                          mm
"""

_SPATIAL: Final = """
moran_i                   morph_moran_i              1
geary_c                   morph_geary_c              1
"""

_LOCAL: Final = """
local_peak                loc_peak_loc               {u}
global_peak               loc_peak_glob              {u}
"""

_INTENSITY: Final = """
n_voxels_intensity        -                          1
n_missing                 -                          1
n_resegmented             -                          1
mean                      stat_mean                  {u}
variance                  stat_var                   {u2}
skewness                  stat_skew                  1
kurtosis                  stat_kurt                  1
median                    stat_median                {u}
minimum                   stat_min                   {u}
percentile_10             stat_p10                   {u}
percentile_90             stat_p90                   {u}
maximum                   stat_max                   {u}
interquartile_range       stat_iqr                   {u}
range                     stat_range                 {u}
mean_abs_dev              stat_mad                   {u}
robust_mean_abs_dev       stat_rmad                  {u}
median_abs_dev            stat_medad                 {u}
coeff_of_variation        stat_cov                   1
quartile_coeff            stat_qcod                  1
energy                    stat_energy                {u2}
root_mean_square          stat_rms                   {u}
"""

_HISTOGRAM: Final = """
ih_n_bins                 -                          1
ih_mean                   ih_mean                    1
ih_variance               ih_var                     1
ih_skewness               ih_skew                    1
ih_kurtosis               ih_kurt                    1
ih_median                 ih_median                  1
ih_minimum                ih_min                     1
ih_percentile_10          ih_p10                     1
ih_percentile_90          ih_p90                     1
ih_maximum                ih_max                     1
ih_mode                   ih_mode                    1
ih_interquartile_range    ih_iqr                     1
ih_range                  ih_range                   1
ih_mean_abs_dev           ih_mad                     1
ih_robust_mean_abs_dev    ih_rmad                    1
ih_median_abs_dev         ih_medad                   1
ih_coeff_of_variation     ih_cov                     1
ih_quartile_coeff         ih_qcod                    1
ih_entropy                ih_entropy                 bit
ih_uniformity             ih_uniformity              1
ih_max_gradient           ih_max_grad                1
ih_max_gradient_level     ih_max_grad_g              1
ih_min_gradient           ih_min_grad                1
ih_min_gradient_level     ih_min_grad_g              1
"""

_IVH: Final = """
ivh_volume_at_10          ivh_v10                    1
ivh_volume_at_90          ivh_v90                    1
ivh_intensity_at_10       ivh_i10                    {ivh}
ivh_intensity_at_90       ivh_i90                    {ivh}
ivh_volume_difference     ivh_diff_v10_v90           1
ivh_intensity_difference  ivh_diff_i10_i90           {ivh}
"""


def _rows(group: str, text: str) -> tuple[Definition, ...]:
    lines = [line.split() for line in text.splitlines() if line]
    return tuple(Definition(name, group, ibsi.strip("-"), unit) for name, ibsi, unit in lines)


#: Family -> its features, in the order of the result.
FAMILIES: Final[dict[str, tuple[Definition, ...]]] = {
    "volume": _rows("volume", _VOLUME),
    "shape": _rows("shape", _VOLUME + _SHAPE),
    "spatial": _rows("spatial", _SPATIAL),
    "local": _rows("local", _LOCAL),
    "intensity": _rows("intensity", _INTENSITY),
    "histogram": _rows("histogram", _HISTOGRAM),
    "ivh": _rows("ivh", _IVH),
}
#: Texture families and how mirp and the IBSI tags begin their names.
TEXTURES: Final[dict[str, str]] = {
    "glcm": "cm", "glrlm": "rlm", "glszm": "szm", "gldzm": "dzm", "ngtdm": "ngt", "ngldm": "ngl",
}  # fmt: skip
#: Texture family -> the middle of the IBSI tags of its features (sections 3.6 to 3.11).
_TEXTURE_NAMES: Final[dict[str, str]] = {
    "glcm": """joint_max joint_avg joint_var joint_entr diff_avg diff_var diff_entr sum_avg sum_var sum_entr energy
        contrast dissimilarity inv_diff inv_diff_norm inv_diff_mom inv_diff_mom_norm inv_var corr auto_corr
        clust_tend clust_shade clust_prom info_corr1 info_corr2""",
    "glrlm": """sre lre lgre hgre srlge srhge lrlge lrhge glnu glnu_norm rlnu rlnu_norm r_perc gl_var rl_var
        rl_entr""",
    "glszm": """sze lze lgze hgze szlge szhge lzlge lzhge glnu glnu_norm zsnu zsnu_norm z_perc gl_var zs_var
        zs_entr""",
    "gldzm": """sde lde lgze hgze sdlge sdhge ldlge ldhge glnu glnu_norm zdnu zdnu_norm z_perc gl_var zd_var
        zd_entr""",
    "ngtdm": "coarseness contrast busyness complexity strength",
    "ngldm": """lde hde lgce hgce ldlge ldhge hdlge hdhge glnu glnu_norm dcnu dcnu_norm dc_perc gl_var dc_var dc_entr
        dc_energy""",
}


def texture_definitions(family: str, aggregation: str = "merge") -> tuple[Definition, ...]:
    """Features of a texture family in three dimensions; matrices of directions merged, or features averaged.

    Examples
    --------
    >>> texture_definitions("glcm", "average")[0]
    Definition(name='glcm_joint_max', group='glcm', ibsi='cm_joint_max_3D_avg', unit='1')
    """
    end = {"merge": "3D_comb", "average": "3D_avg"}[aggregation] if family in ("glcm", "glrlm") else "3D"
    return tuple(
        Definition(
            f"{family}_{name}", family, f"{TEXTURES[family]}_{name}_{end}", "bit" if name.endswith("entr") else "1"
        )
        for name in _TEXTURE_NAMES[family].split()
    )


def squared(unit: str) -> str:
    """UCUM unit of the square of a quantity.

    Examples
    --------
    >>> squared("[hnsf'U]"), squared("Bq/mL"), squared("1"), squared("mm2"), squared("")
    ("[hnsf'U]2", 'Bq2/mL2', '1', 'mm4', '')
    """
    factors = re.split(r"([./])", unit)
    for i, factor in enumerate(factors):
        if factor in ("", ".", "/", "1"):
            continue
        found = re.fullmatch(r"(.*?)([+-]?\d+)?", factor)
        assert found is not None
        factors[i] = f"{found[1]}{2 * int(found[2] or 1)}"
    return "".join(factors)


def unit_of(definition: Definition, image_unit: str, ivh_unit: str) -> str:
    """UCUM unit of a feature of an image in *image_unit*; empty where the image's is not stated."""
    unit = definition.unit
    if "{" not in unit:
        return unit
    stated = ivh_unit if "{ivh}" in unit else image_unit
    if not stated:
        return ""
    if unit == "{u}.mm3" and stated == "1":
        return "mm3"
    return unit.format(u=stated, u2=squared(stated), ivh=stated)
