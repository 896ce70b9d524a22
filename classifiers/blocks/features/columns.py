"""The names of a block's features, and the column where each group of them begins."""

from __future__ import annotations

from classifiers.blocks.html import names
from classifiers.blocks.html.names import listed

_OWN = listed(
    "chars words link_share links commas sentences digit_share capital_share unspaced_share symbol_share bold_share "
    "word_length lines first_capital ends_sentence ends_colon bullet copyright titled title_share questions "
    "starts_digit copies"
)
_PLACE = listed(
    "text_position html_position chars_before depth tag heading_level flag_count since_h1 since_heading gap_before "
    "gap_after html_per_char"
)
_FLAG = [f"in_{name}" for name in names.FLAGS if name != "silent"]
_CUE = listed("cue_own cue_parent cue_least cue_most cue_sum cue_grand")
_PAGE = listed("page_chars page_blocks page_link_share page_long_share page_sentences page_unspaced page_p_share")
_PARENTS = [
    f"{who}_{what}"
    for who in ("parent", "grand", "great")
    for what in ("chars", "link_share", "blocks", "share", "sentences")
]
_RECORD = listed("same_count same_chars same_link_share record_count record_chars record_link_share record_sentences")
_NEAR = [
    f"{side}{distance}_{what}"
    for side in ("before", "after")
    for distance in (1, 2)
    for what in ("chars", "link_share", "ends_sentence", "tag_same", "parent_same")
] + listed(
    "near3_chars near3_link_share near10_chars near10_link_share near10_sentences densest_distance densest_chars"
)
_REGION = listed(
    "before5_chars before5_link_share after5_chars after5_link_share after_sentences page_h1 page_h2 page_articles "
    "page_kind region_level region_share region_depth branch_chars branch_share branch_link_share branch_sentences"
)
_EVIDENCE = listed("supported page_evidence page_evidence_seen")
FEATURES = (*_OWN, *_PLACE, *_FLAG, *_CUE, *_PAGE, *_PARENTS, *_RECORD, *_NEAR, *_REGION, *_EVIDENCE)
_AT = {name: place for place, name in enumerate(FEATURES)}
OWN_AT, PLACE_AT, FLAG_AT, CUE_AT, PAGE_AT, PARENTS_AT, RECORD_AT, NEAR_AT, REGION_AT, EVIDENCE_AT = (
    _AT[group[0]] for group in (_OWN, _PLACE, _FLAG, _CUE, _PAGE, _PARENTS, _RECORD, _NEAR, _REGION, _EVIDENCE)
)
