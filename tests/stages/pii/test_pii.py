"""Personal data: every rule at its limit, names in several scripts, and only what was found is changed."""

from __future__ import annotations

import ipaddress
import pickle
import re

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.base import build
from stages.errors import ConfigError
from stages.pii.stage import PersonalData
from stages.schema import documents
from tests.examples import examples

COUNTS = ("pii_emails", "pii_ips", "pii_phones")
TOKENS = {"email": "<E>", "ipv4": "<4>", "ipv6": "<6>", "phone": "<P>"}


def masked(text: str, **params: object) -> str | None:
    """The text with tokens for what was found; the counts must agree."""
    out = PersonalData(**{**TOKENS, **params})(documents(text=[text]))  # type: ignore[arg-type]
    result: str = out.column("text")[0].as_py()
    for column, tokens in (("pii_emails", ("<E>",)), ("pii_ips", ("<4>", "<6>")), ("pii_phones", ("<P>",))):
        if column in out.column_names:
            assert out.column(column)[0].as_py() == sum(result.count(token) - text.count(token) for token in tokens)
    return result


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("write to john.doe+list@mail.example.co.uk.", "write to <E>."),
        ("John_O'Neil-99%x@EXAMPLE.COM!", "<E>!"),
        ("(a@b.cc), <a@b.cc>; 'a@b.cc' mailto:a@b.cc?subject=x", "(<E>), <<E>>; '<E>' mailto:<E>?subject=x"),
        ("user=a@b.cc/path", "user=<E>/path"),
        ("..-john@b.cc", "..-<E>"),
        ("-" * 80 + "john@b.cc", "-" * 80 + "<E>"),
        ("邮箱abc@example.com请联系", "邮箱<E>请联系"),
        ("メールはabc@example.jpまで", "メールは<E>まで"),
        ("почта:иван@почта.рф, спасибо", "почта:<E>, спасибо"),
        ("éric@exämple.fr", "<E>"),
        ("μαρία@παράδειγμα.ελ", "<E>"),
        ("a@xn--e1afmkfd.xn--p1ai.", "<E>."),
        ("a@b.com-today", "<E>-today"),
        ("a@b.com_x", "<E>_x"),
        ("a@b.com.c0m", "<E>.c0m"),
        ("a@sub-domain.b.museum", "<E>"),
        ("a@b@c.com", "a@<E>"),
        ("a@b.cc@d.ee", "<E>@d.ee"),
        ("@user and a@ b.com", "@user and a@ b.com"),
        ("https://medium.com/@john.doe/x", "https://medium.com/@john.doe/x"),
        ("root@localhost", "root@localhost"),
        ("logo@2x.png icon@3x.JPG", "logo@2x.png icon@3x.JPG"),
        ("left-pad@1.2.3 x@4.17.x", "left-pad@1.2.3 x@4.17.x"),
        ("a@-b.com a@b-.com a@b..com a@.com", "a@-b.com a@b-.com a@b..com a@.com"),
        ("漢字@漢字.漢字", "漢字@漢字.漢字"),
        ("a@b.c", "a@b.c"),
        ("...@b.com", "...@b.com"),
        ("none at example dot org", "none at example dot org"),
    ],
)
def test_emails(text: str, expected: str) -> None:
    assert masked(text) == expected


@pytest.mark.parametrize(
    ("local", "label", "found"), [(64, 1, True), (65, 1, False), (1, 63, True), (1, 64, False), (400, 1, False)]
)
def test_limits_of_an_address(local: int, label: int, found: bool) -> None:
    text = f"{'a' * local}@{'b' * label}.com"
    assert masked(text) == ("<E>" if found else text)
    wide = f"{'é' * local}@{'b' * label}.com"
    assert masked(wide) == ("<E>" if found else wide)


def test_a_domain_has_253_bytes_at_most() -> None:
    labels = "b." * 124  # 248 bytes
    assert masked(f"a@{labels}cccde") == "<E>"
    assert masked(f"a@{'b.' * 300}com") == f"a@{'b.' * 300}com"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("at 8.8.8.8.", "at <4>."),
        ("http://8.8.8.8:80/x 8.8.8.8/24", "http://<4>:80/x <4>/24"),
        ("root@8.8.8.8", "root@<4>"),
        ("code:8.8.8.8", "code:<4>"),
        ("地址8.8.8.8。", "地址<4>。"),
        ("8.8.8.8-9.9.9.9", "<4>-<4>"),
        ("255.255.255.255 and 1.255.255.255", "255.255.255.255 and <4>"),
        ("8.8.8.256", "8.8.8.256"),
        ("8.8.8.08", "8.8.8.08"),
        ("8.8.8", "8.8.8"),
        ("8.8.8.8.8", "8.8.8.8.8"),
        ("v8.8.8.8 lib-8.8.8.8 8.8.8.8-rc1 8.8.8.8b x_8.8.8.8", "v8.8.8.8 lib-8.8.8.8 8.8.8.8-rc1 8.8.8.8b x_8.8.8.8"),
        ("Version 8.8.8.8, versión: 8.8.8.8", "Version 8.8.8.8, versión: 8.8.8.8"),
        ("servers 8.8.8.8", "servers <4>"),
        ("18.8.8.8", "<4>"),
        ("2018.8.8.8", "2018.8.8.8"),
        ("...8.8.8.8...", "...<4>..."),
    ],
)
def test_ipv4(text: str, expected: str) -> None:
    assert masked(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("at 2a00:1450:4001:81b::200e.", "at <6>."),
        ("http://[2a00::1]:80/", "http://[<6>]:80/"),
        ("2A00:1450:4001:081B:0000:0000:0000:200E/64", "<6>/64"),
        ("code:2a00::1 add: 2a00::1", "code:<6> add: <6>"),
        ("face:2a00::1", "face:<6>"),
        ("2a00:1450::", "<6>"),
        ("2a00::1:", "<6>:"),
        ("2001:db8::1 fe80::1 fd00::1 ::1", "2001:db8::1 fe80::1 fd00::1 ::1"),
        ("std::cafe a::b 12:30:45 00:1A:2B:3C:4D:5E ::", "std::cafe a::b 12:30:45 00:1A:2B:3C:4D:5E ::"),
        ("2a00::1::2 2a00:1:2:3:4:5:6", "2a00::1::2 2a00:1:2:3:4:5:6"),
        ("x2a00::1 2a00::1x 2a00::email 2a00::é", "x2a00::1 2a00::1x 2a00::email 2a00::é"),
    ],
)
def test_ipv6(text: str, expected: str) -> None:
    assert masked(text) == expected


def test_addresses_that_are_not_public() -> None:
    text = "10.0.0.1 192.168.1.1 127.0.0.1 203.0.113.9 fe80::1 fd00::1 8.8.8.8"
    assert masked(text) == text.replace("8.8.8.8", "<4>")
    assert masked(text, public_ips_only=False) == "<4> <4> <4> <4> <6> <6> <4>"
    assert masked("a::b ::1", public_ips_only=False) == "a::b ::1"


@given(
    st.integers(0, 2**32 - 1)
    | st.sampled_from([10 << 24, (11 << 24) - 1, 11 << 24, 172 << 24, (172 << 24) + (1 << 20)])
)
@settings(max_examples=examples(150))
def test_public_is_what_the_registry_calls_global(value: int) -> None:
    address = ipaddress.IPv4Address(value)
    if value >> 8 == 0xC00000:  # 192.0.0.0/24: its few global anycast addresses identify no one either
        return
    public = address.is_global and not address.is_multicast
    assert masked(str(address)) == ("<4>" if public else str(address))


@given(st.integers(0x2000 << 112, (0x4000 << 112) - 1))
def test_any_spelling_of_a_global_ipv6_address(value: int) -> None:
    address = ipaddress.IPv6Address(value)
    if address.is_global and value >> 112 != 0x2002 and value >> 105 != 0x2001 << 7 and value >> 108 != 0x3FFF0:
        assert masked(f"({address.compressed}) {address.exploded.upper()}") == "(<6>) <6>"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("call +49 89 1234567.", "call <P>."),
        ("(+44) 20 7946 0958", "<P>"),
        ("Tel:0049 89 1234567", "Tel:<P>"),
        ("(212) 555-2368, 212.555.2368, 1-800-555-2368", "<P>, <P>, <P>"),
        ("030/1234567\t06 12 34 56 78; 020 7946 0958", "<P>\t<P>; <P>"),
        ("電話：03-1234-5678へ", "電話：<P>へ"),
        ("+1234567", "+1234567"),
        ("+12345678", "<P>"),
        ("+123456789012345", "<P>"),
        ("+1234567890123456", "+1234567890123456"),
        ("2019-01-02 01.02.2019 12/31/2019 10", "2019-01-02 01.02.2019 12/31/2019 10"),
        ("0123456789 1234567890 1 2 3 4 5 6 7 8 9", "0123456789 1234567890 1 2 3 4 5 6 7 8 9"),
        ("ISBN 978-0-306-40615-7, 0-306-40615-2", "ISBN 978-0-306-40615-7, 0-306-40615-2"),
        ("id=030 1234567 /030-1234567 x030-1234567", "id=030 1234567 /030-1234567 x030-1234567"),
        ("$1,234,567.89 10 000 000 +0000 2021 000000000001", "$1,234,567.89 10 000 000 +0000 2021 000000000001"),
        ("8.8.8.8", "<4>"),
    ],
)
def test_phones(text: str, expected: str) -> None:
    assert masked(text, phones=True) == expected


def test_only_what_is_asked_for_is_looked_for() -> None:
    text = "a@b.cc 8.8.8.8 +49 89 1234567"
    assert masked(text) == "<E> <4> +49 89 1234567"
    assert masked(text, emails=False) == "a@b.cc <4> +49 89 1234567"
    assert masked(text, ips=False) == "<E> 8.8.8.8 +49 89 1234567"
    assert masked(text, phones=True) == "<E> <4> <P>"
    assert PersonalData(emails=False)(documents(text=[text])).column_names[-1:] == ["pii_ips"]


PARTS = "a b é 漢 ж @ @ . .. - _ : :: com b.cc 8.8.8.8 2a00::1 4567 0 1 xn-- png a@b.cc email@example.com 192.0.2.1"
PIECES = st.sampled_from(
    [*PARTS.split(), "2001:db8::1", " ", "\n", "+49 89 123", "555-0100", "\u0301", "(", "\U0001f600"]
)
TEXTS = st.lists(PIECES, max_size=14).map("".join) | st.text(max_size=30)


@given(st.lists(st.none() | TEXTS, max_size=6), st.integers(0, 6))
@settings(max_examples=examples(150))
def test_only_what_was_found_changes_in_any_batching(texts: list[str | None], cut: int) -> None:
    stage = PersonalData(phones=True, **{name: f"\ue000{name}\ue001" for name in TOKENS})
    whole = stage(documents(text=texts))
    chunks = pa.chunked_array([texts[:cut], [], texts[cut:]], pa.large_string())
    split = stage(documents(text=texts).set_column(9, "text", chunks))
    for column in ("text", *COUNTS):
        assert split.column(column).to_pylist() == whole.column(column).to_pylist()
    for text, result in zip(texts, whole.column("text").to_pylist(), strict=True):
        assert (text is None) == (result is None)
        if text is not None:
            kept = re.split("\ue000\\w+\ue001", result)
            assert re.fullmatch(".+".join(map(re.escape, kept)), text, re.DOTALL)


@given(st.lists(TEXTS.map(lambda text: "".join(text.split())), max_size=6))
def test_a_second_pass_finds_nothing(words: list[str]) -> None:
    """Addresses that touch can hide each other; between white space each word has one verdict."""
    stage = PersonalData(phones=True)
    once = stage(documents(text=[word for word in words if word.count("@") < 2]))
    twice = stage(once)
    assert twice.column("text").to_pylist() == once.column("text").to_pylist()
    assert [sum(twice.column(column).to_pylist()) for column in COUNTS] == [0, 0, 0]


def test_tables_of_any_shape() -> None:
    stage = PersonalData()
    docs = documents(text=["a@b.cc", None, "", "plain", "8.8.8.8"], drop=[None, None, None, "earlier", None])
    out = stage(docs.slice(1, 4))
    assert out.column("text").to_pylist() == [None, "", "plain", "192.0.2.1"]
    assert out.column("pii_ips").to_pylist() == [0, 0, 0, 1]
    assert out.column("drop").to_pylist() == [None, None, "earlier", None]
    assert out.schema.field("pii_ips").type == pa.int32()
    empty = stage(docs.slice(0, 0))
    assert (empty.num_rows, empty.schema) == (0, stage(docs).schema)
    assert pickle.loads(pickle.dumps(stage)) == stage


def test_rows_do_not_see_their_neighbours() -> None:
    rows = [
        "version ",
        "8.8.8.8",
        "x",
        "2a00::1",
        "y",
        "a",
        "@b.cc",
        "a@b",
        ".cc",
        "8.8.8.8",
        ".8",
        "+49 89 12",
        "34567",
    ]
    out = PersonalData(phones=True, **TOKENS)(documents(text=rows))
    assert out.column("text").to_pylist() == [{"8.8.8.8": "<4>", "2a00::1": "<6>"}.get(row, row) for row in rows]


def test_everything_off_is_a_mistake() -> None:
    with pytest.raises(ConfigError, match="turn one on"):
        build("pii_v1", {"emails": False, "ips": False})


def test_hostile_text_takes_linear_time() -> None:
    size = 250_000
    units = [
        "a.a.a.a@",
        "@",
        "a@",
        "a@a.",
        "é@",
        "-",
        ".",
        "1.",
        "1.1.1.1 ",
        "1",
        "1 ",
        "+",
        "(",
        "0 1",
        ":",
        "::",
        "a:",
        "1:2:",
        "2a00::1 ",
    ]
    texts = [unit * (size // len(unit)) for unit in units] + [
        "a" * size + "@b.cc",
        "a@" + "b" * size,
        "a@" + "b." * size + "cc",
    ]
    out = PersonalData(phones=True)(documents(text=texts))
    assert out.column("pii_ips").to_pylist()[8] == size // 8
    assert out.column("text").to_pylist()[0] == texts[0]
