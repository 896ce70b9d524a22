"""The exact texts that the engine `blocks` makes of lists, tables, code, forums and languages.

Another model may leave out other blocks; what is kept has this form.
"""

from __future__ import annotations

import pytest

from stages.extraction import blocks

MENU = "".join(f"<li><a href='/{n}'>Section {n}</a></li>" for n in range(9))
TOP = f"<html><head><title>%s</title></head><body><nav class='menu'><ul>{MENU}</ul></nav>"
BOTTOM = "<footer class='footer'><p>© 2026 Example. All rights reserved.</p><a href='/privacy'>Privacy</a></footer>"


def text(title: str, main: str) -> str:
    return blocks.extract((TOP % title + main + BOTTOM).encode(), None)[0]


RECIPE = """<main><article class="recipe"><h1>Bread that needs no kneading</h1>
<p>Time does what hands would do: the dough stands overnight, and the oven does the rest in the morning.</p>
<h2>Ingredients</h2><ul><li>400 g of strong white flour, or half of it wholemeal</li>
<li>300 ml of water, cold from the tap</li>
<li>a level teaspoon of salt and a <em>quarter</em> of one of dried yeast</li></ul>
<h2>Method</h2><ol><li>Mix everything in a bowl until no dry flour is left, and cover it with a plate.</li>
<li>Let it stand for twelve to eighteen hours; it is ready when it wobbles and smells of beer.</li></ol>
</article></main>"""
RECIPE_TEXT = """\
Bread that needs no kneading

Time does what hands would do: the dough stands overnight, and the oven does the rest in the morning.

Ingredients

- 400 g of strong white flour, or half of it wholemeal
- 300 ml of water, cold from the tap
- a level teaspoon of salt and a quarter of one of dried yeast

Method

1. Mix everything in a bowl until no dry flour is left, and cover it with a plate.
2. Let it stand for twelve to eighteen hours; it is ready when it wobbles and smells of beer."""

TABLE = """<main><article><h1>Water levels of the valley</h1>
<p>The gauge at the old bridge has been read every morning since 1911, and the yearly means are given below.</p>
<table><caption>Means in centimetres over the gauge's zero, by decade</caption>
<thead><tr><th>Decade</th><th>Mean level</th><th>Highest level that was read</th></tr></thead>
<tr><td>1911 to 1920</td><td>142 cm</td><td>611 cm, in the flood of January 1918</td></tr>
<tr><td>1921 to 1930</td><td>138&nbsp;cm</td><td>588 cm, when the ice broke<br>in March 1929</td></tr></table>
<p>The zero was moved once, in 1954, when the bridge was rebuilt; older readings were changed accordingly.</p>
</article></main>"""
TABLE_TEXT = """\
Water levels of the valley

The gauge at the old bridge has been read every morning since 1911, and the yearly means are given below.

Means in centimetres over the gauge's zero, by decade
Decade | Mean level | Highest level that was read
1911 to 1920 | 142 cm | 611 cm, in the flood of January 1918
1921 to 1930 | 138 cm | 588 cm, when the ice broke in March 1929

The zero was moved once, in 1954, when the bridge was rebuilt; older readings were changed accordingly."""

CODE = """<main><article class="doc"><h1>Reading a file line by line</h1>
<p>A file is an iterator over its lines, so a loop is all that is needed. The <code>with</code> statement closes it.</p>
<pre><code class="language-python">with open(name) as file:
    for line in file:
        if line.strip() &amp;&amp; not line.startswith("#"):
            print(line, end="")
</code></pre>
<p>Each line keeps its line break at the end; strip it where it is in the way of what you want to do.</p>
</article></main>"""
CODE_TEXT = """\
Reading a file line by line

A file is an iterator over its lines, so a loop is all that is needed. The with statement closes it.

with open(name) as file:
    for line in file:
        if line.strip() && not line.startswith("#"):
            print(line, end="")

Each line keeps its line break at the end; strip it where it is in the way of what you want to do."""

POSTS = (
    "Since I changed the bottom bracket my bike creaks at every turn of the pedals. What should I look at first?",
    "Take the pedals out, grease the threads and put them back. In nine of ten cases that is the whole story.",
    "That was it, thank you very much! I had taken the whole crank apart twice before I asked here.",
)
FORUM = "<main><h1 class='thread-title'>Creaking bottom bracket after service</h1><div class='posts'>" + "".join(
    f"<div class='post' id='post{n}'><div class='post-author'><a href='/u/{n}'>rider{n}</a> {n} May 2021</div>"
    f"<div class='post-body'><p>{post}</p></div>"
    f"<div class='post-buttons'><a href='#'>Quote</a> <a href='#'>Report</a></div></div>"
    for n, post in enumerate(POSTS, 3)
)
FORUM_TEXT = "\n\n".join(("Creaking bottom bracket after service", *POSTS))

LANGUAGES = {
    "Japanese": """\
橋の水位について
古い橋の水位計は一九一一年から毎朝読まれており、年ごとの平均は下に示すとおりである。
氷が割れた三月には、水位は五百八十八センチに達した。""",
    "Arabic": """\
مستوى الماء في الوادي
يُقرأ مقياس الماء عند الجسر القديم كل صباح منذ عام ١٩١١، وترد المتوسطات السنوية أدناه.
بلغ المستوى ذروته في شهر مارس حين تكسّر الجليد، وفاضت المروج على الجانبين.""",
    "Russian": """\
Уровень воды в долине
Показания водомера у старого моста снимают каждое утро с 1911 года; ниже приведены средние значения.
В марте, когда вскрылся лёд, вода поднялась до пяти метров и залила нижний луг.""",
    "Hindi": """\
घाटी का जल स्तर
पुराने पुल के पास लगे मापक को 1911 से हर सुबह पढ़ा जाता है, और वार्षिक औसत नीचे दिए गए हैं।
मार्च में जब बर्फ टूटी तब पानी पाँच मीटर तक चढ़ गया और निचला मैदान डूब गया।""",
}


@pytest.mark.parametrize(
    ("title", "main", "expected"),
    [
        ("Bread that needs no kneading", RECIPE, RECIPE_TEXT),
        ("Water levels", TABLE, TABLE_TEXT),
        ("Reading a file", CODE, CODE_TEXT),
        ("Creaking bottom bracket - Forum", FORUM, FORUM_TEXT),
    ],
    ids=["lists", "table", "code", "forum"],
)
def test_the_text_is_this(title: str, main: str, expected: str) -> None:
    assert text(title, main) == expected


def test_lines_are_not_indented_but_code_is() -> None:
    lines = LANGUAGES["Japanese"].splitlines()
    main = f"<p>&#12288;{lines[1]}<br>&#12288;{lines[2]}<p>&nbsp; {lines[1]}2<pre>&#12288;{lines[2]}3</pre>"
    found = text(lines[0], f"<main><article>{main}</article></main>")
    assert found == f"{lines[1]}\n{lines[2]}\n\n{lines[1]}2\n\n\u3000{lines[2]}3"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_text_of_a_language_is_this(language: str) -> None:
    heading, *paragraphs = LANGUAGES[language].splitlines()
    main = f"<main><article><h1>{heading}</h1>{''.join(f'<p>{each}</p>' for each in paragraphs)}</article></main>"
    assert text(heading, main) == "\n\n".join((heading, *paragraphs))
