"""Charsets: what a page declares, what it is in, and that no declaration turns it into mojibake."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refinedweb.sources import SourceOptions, decode_html
from refinedweb.sources.charset import declared_codecs, decode
from refinedweb.sources.labels import codec_of_label
from refinedweb.sources.mojibake import oddity
from tests.examples import examples

TEXTS = {
    "cp1251": "Съешь же ещё этих мягких французских булок, да выпей чаю. Широкая электрификация южных губерний даст "
    "мощный толчок подъёму сельского хозяйства, а в чащах юга жил бы цитрус, но фальшивый экземпляр.",
    "iso8859-7": "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία. Η γρήγορη αλεπού πηδάει πάνω από τον τεμπέλη σκύλο και φεύγει "
    "προς το δάσος, όπου ζουν όλα τα ζώα μαζί με ειρήνη και χαρά.",
    "cp1255": "דג סקרן שט בים מאוכזב ולפתע מצא לו חברה. כל בני האדם נולדו בני חורין ושווים בערכם ובזכויותיהם, כולם "
    "חוננו בתבונה ובמצפון, לפיכך חובה עליהם לנהוג איש ברעהו ברוח של אחווה.",
    "cp1256": "يولد جميع الناس أحرارا متساوين في الكرامة والحقوق، وقد وهبوا عقلا وضميرا وعليهم أن يعامل بعضهم بعضا "
    "بروح الإخاء، ولكل إنسان حق التمتع بجميع الحقوق والحريات الواردة في هذا الإعلان.",
    "cp874": "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ "
    "ต่างมีเหตุผลและมโนธรรม และควรปฏิบัติต่อกันด้วยเจตนารมณ์แห่งภราดรภาพ",
    "cp932": "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。"
    "人間は、理性と良心とを授けられており、互いに同胞の精神をもって行動しなければならない。",
    "gb18030": "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心，并应以兄弟关系的精神相对待。"
    "人人有资格享有本宣言所载的一切权利和自由。",
    "big5hkscs": "人人生而自由，在尊嚴和權利上一律平等。他們賦有理性和良心，並應以兄弟關係的精神相對待。"
    "人人有資格享有本宣言所載的一切權利。",
    "cp949": "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다. "
    "인간은 천부적으로 이성과 양심을 부여받았으며 서로 형제애의 정신으로 행동하여야 한다.",
}
OTHER = {"cp1251": ["koi8-r", "iso8859-5", "cp866"], "cp932": ["euc_jp"]}
CASES = [*TEXTS.items(), *((codec, TEXTS[usual]) for usual, codecs in OTHER.items() for codec in codecs)]


def page(text: str, declared: str | None = None) -> str:
    meta = "" if declared is None else f'<meta http-equiv="Content-Type" content="text/html; charset={declared}">'
    return f"<html><head>{meta}<title>{text[:20]}</title></head><body><p>{text}</p><p>{text}</p></body></html>"


@pytest.mark.parametrize(("codec", "text"), CASES, ids=[codec for codec, _ in CASES])
@pytest.mark.parametrize("header", [None, "utf-8", "iso-8859-1", "us-ascii", "no-such-charset", "right"])
@pytest.mark.parametrize("meta", [None, "utf-8", "iso-8859-1", "right"])
def test_legacy_text_is_read_whatever_is_declared(codec: str, text: str, header: str | None, meta: str | None) -> None:
    source = page(text, codec if meta == "right" else meta)
    decoded = decode_html(source.encode(codec), codec if header == "right" else header)
    assert decoded == source


@pytest.mark.parametrize("text", [*TEXTS.values(), "Zażółć gęślą jaźń – naïve façade, “quoted” €5"])
@pytest.mark.parametrize("declared", ["iso-8859-1", "windows-1251", "shift_jis", "gb2312", "euc-kr", "ascii", "utf-16"])
def test_utf8_is_utf8_whatever_is_declared(text: str, declared: str) -> None:
    source = page(text, declared)
    assert decode(source.encode(), declared).html == source.encode()


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("declared", [None, "iso-8859-1", "utf-8"])
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_marks_and_wide_encodings(codec: str, declared: str | None, text: str) -> None:
    source = page(text, declared)
    decoded = decode(source.encode(codec), declared)
    assert decoded.html == source.encode()
    assert decoded.garbage == 0


@pytest.mark.parametrize(
    ("codec", "declared"), [("iso2022_jp", None), ("iso2022_jp", "iso-2022-jp"), ("hz", "hz-gb-2312")]
)
def test_seven_bit_encodings(codec: str, declared: str | None) -> None:
    source = page(TEXTS["gb18030" if codec == "hz" else "cp932"], declared)
    assert decode_html(source.encode(codec), None) == source


@pytest.mark.parametrize("text", ["Grüße aus Köln", "une façade naïve", "£5 – “quoted”", "cañón", "blåbær"])
@pytest.mark.parametrize("declared", [None, "utf-8", "iso-8859-1", "windows-1252"])
def test_a_few_western_characters(text: str, declared: str | None) -> None:
    source = f"<html><body><p>{text}</p></body></html>"
    assert decode_html(source.encode("cp1252"), declared) == source


def test_the_first_declaration_that_reads_like_text_counts() -> None:
    czech = "<p>Příliš žluťoučký kůň úpěl ďábelské ódy</p>"
    assert decode_html(czech.encode("cp1250"), "windows-1250") == czech
    with_meta = '<?xml version="1.0" encoding="windows-1250"?><meta charset="iso-8859-1">' + czech
    assert decode_html(with_meta.encode("cp1250")) == with_meta
    assert declared_codecs(with_meta.encode("cp1250"), "x; utf-8") == ["cp1250", "cp1252"]


def test_a_short_east_asian_page_that_is_utf8_by_accident() -> None:
    """These bytes are also valid UTF-8, but the page declares GBK."""
    source = "<meta charset=gbk><p>谩谩</p>"
    assert source.encode("gbk").decode("utf-8") != source
    assert decode_html(source.encode("gbk")) == source


def test_mixed_pages_are_mended() -> None:
    mixed = "<p>Über uns</p>".encode() * 9 + b"<p>naturgr\xfcn, zo\x92n</p>" + "<p>schön</p>".encode() * 9
    assert "<p>naturgrün, zo’n</p>" in decode_html(mixed, "utf-8")
    assert "Über uns" in decode_html(mixed, "utf-8")
    text = "<p>" + TEXTS["gb18030"]
    assert decode_html(text.encode()[:-4], "utf-8").rstrip("\ufffd") == text[:-2]


# Labels and limits ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("label", "codec"),
    [
        ("UTF-8", "utf-8"), ("utf8", "utf-8"), ('"utf-8"', "utf-8"), ("ISO-8859-1", "cp1252"), ("latin1", "cp1252"),
        ("gb2312", "gb18030"), ("GBK", "gb18030"), ("x-sjis", "cp932"), ("Shift_JIS", "cp932"), ("Big5", "big5hkscs"),
        ("ks_c_5601-1987", "cp949"), ("euc-kr", "cp949"), ("tis-620", "cp874"), ("windows-874", "cp874"),
        ("koi8-r", "koi8-r"), ("IBM866", "cp866"), ("ibm855", "cp855"), ("x-mac-cyrillic", "mac-cyrillic"),
        ("iso-8859-9", "cp1254"), ("windows-1251-russian", "cp1251"), ("iso-8859-2-hungarian", "iso8859-2"),
        ("big5_solaris", "big5hkscs"),
        ("none", None), ("utf-7", None), ("rot13", None), ("base64", None), ("", None), ("x" * 5000, None),
    ],
)  # fmt: skip
def test_labels(label: str, codec: str | None) -> None:
    assert codec_of_label(label) == codec


@settings(max_examples=examples(300))
@given(
    st.binary(max_size=300),
    st.one_of(st.none(), st.text(max_size=12), st.sampled_from(["utf-16", "hz", "iso-2022-jp"])),
)
def test_any_bytes_become_valid_utf8(body: bytes, header: str | None) -> None:
    decoded = decode(body, header)
    assert decoded.html.decode("utf-8", "strict") is not None
    assert 0 <= decoded.garbage <= 1


@settings(max_examples=examples(100))
@given(st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\ufeff\0\x1b"), max_size=200))
def test_utf8_passes_unchanged(text: str) -> None:
    assert decode(text.encode()).html == text.encode() or text.encode().isascii()


def test_binary_is_garbage_and_text_is_not() -> None:
    assert decode(bytes(range(256)) * 20).garbage > SourceOptions().max_garbage
    assert decode(b"\0" * 5000).garbage == 1
    assert all(decode(text.encode(codec)).garbage == 0 for codec, text in CASES)


@pytest.mark.parametrize(("codec", "text"), CASES, ids=[codec for codec, _ in CASES])
def test_text_is_not_odd_and_mojibake_is(codec: str, text: str) -> None:
    assert oddity(text) < 0.05
    assert oddity(text.encode(codec).decode("cp1252", "replace")) > 0.15
