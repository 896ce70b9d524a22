"""The names of a block's features, the column where each group of them begins, and each column by its name.

The names are those of the model file. A kernel writes to `group[NAME]`, where `group` is a block's row from the first
column of the group on.
"""

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
(CHARS, WORDS, LINK_SHARE, LINKS, COMMAS, SENTENCES, DIGIT_SHARE, CAPITAL_SHARE, UNSPACED_SHARE, SYMBOL_SHARE,
 BOLD_SHARE, WORD_LENGTH, LINES, FIRST_CAPITAL, ENDS_SENTENCE, ENDS_COLON, BULLET, COPYRIGHT, TITLED, TITLE_SHARE,
 QUESTIONS, STARTS_DIGIT, COPIES) = range(len(_OWN))  # fmt: skip
(TEXT_POSITION, HTML_POSITION, CHARS_BEFORE, DEPTH, TAG, HEADING_LEVEL, FLAG_COUNT, SINCE_H1, SINCE_HEADING, GAP_BEFORE,
 GAP_AFTER, HTML_PER_CHAR) = range(len(_PLACE))  # fmt: skip
(PAGE_CHARS, PAGE_BLOCKS, PAGE_LINK_SHARE, PAGE_LONG_SHARE, PAGE_SENTENCES, PAGE_UNSPACED,
 PAGE_P_SHARE) = range(len(_PAGE))  # fmt: skip
# Of each of the LEVELS elements around a block, from the inside out.
LEVELS = 3
PARENT_CHARS, PARENT_LINK_SHARE, PARENT_BLOCKS, PARENT_SHARE, PARENT_SENTENCES = range(5)
PARENT_COLUMNS = len(_PARENTS) // LEVELS
(SAME_COUNT, SAME_CHARS, SAME_LINK_SHARE, RECORD_COUNT, RECORD_CHARS, RECORD_LINK_SHARE,
 RECORD_SENTENCES) = range(len(_RECORD))  # fmt: skip
# Of each of the NEIGHBOURS: one and two blocks before, one and two blocks after. Then of the surroundings.
NEIGHBOURS = 4
NEIGHBOUR_CHARS, NEIGHBOUR_LINK_SHARE, NEIGHBOUR_ENDS_SENTENCE, NEIGHBOUR_TAG_SAME, NEIGHBOUR_PARENT_SAME = range(5)
NEIGHBOUR_COLUMNS = 5
(NEAR3_CHARS, NEAR3_LINK_SHARE, NEAR10_CHARS, NEAR10_LINK_SHARE, NEAR10_SENTENCES, DENSEST_DISTANCE,
 DENSEST_CHARS) = range(NEIGHBOURS * NEIGHBOUR_COLUMNS, len(_NEAR))  # fmt: skip
(BEFORE5_CHARS, BEFORE5_LINK_SHARE, AFTER5_CHARS, AFTER5_LINK_SHARE, AFTER_SENTENCES, PAGE_H1, PAGE_H2, PAGE_ARTICLES,
 PAGE_KIND, REGION_LEVEL, REGION_SHARE, REGION_DEPTH, BRANCH_CHARS, BRANCH_SHARE, BRANCH_LINK_SHARE,
 BRANCH_SENTENCES) = range(len(_REGION))  # fmt: skip
SUPPORTED, PAGE_EVIDENCE, PAGE_EVIDENCE_SEEN = range(len(_EVIDENCE))

FEATURES = (*_OWN, *_PLACE, *_FLAG, *_CUE, *_PAGE, *_PARENTS, *_RECORD, *_NEAR, *_REGION, *_EVIDENCE)
_AT = {name: place for place, name in enumerate(FEATURES)}
OWN_AT, PLACE_AT, FLAG_AT, CUE_AT, PAGE_AT, PARENTS_AT, RECORD_AT, NEAR_AT, REGION_AT, EVIDENCE_AT = (
    _AT[group[0]] for group in (_OWN, _PLACE, _FLAG, _CUE, _PAGE, _PARENTS, _RECORD, _NEAR, _REGION, _EVIDENCE)
)
