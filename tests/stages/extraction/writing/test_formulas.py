"""Formulas: once each as TeX, whatever wrote them, and TeX of MathML that has none."""

from __future__ import annotations

import pytest

from stages.extraction.writing import mathml
from stages.extraction.writing.markup import tokens
from tests.stages.extraction.writing.written import written

MATH = (
    "<math><semantics><msup><mi>a</mi><mn>2</mn></msup>"
    "<annotation encoding='application/x-tex'>a^2</annotation></semantics></math>"
)
BARE = "<math><msup><mi>a</mi><mn>2</mn></msup></math>"
RENDERERS = {
    "MathML with TeX": MATH,
    "KaTeX": f"<span class=katex><span class=katex-mathml>{MATH}</span>"
    "<span class=katex-html aria-hidden=true><span class=mord>a<span>2</span></span></span></span>",
    "MathJax 2": "<span class=MathJax_Preview>a^2</span><script type='math/tex'>a^2</script>",
    "MathJax 2, rendered": "<span class=MathJax><span class=math>a2</span><span class=MJX_Assistive_MathML>"
    f"{BARE}</span></span><script type='math/tex'>a^2</script>",
    "MathJax 3": f"<mjx-container class=MathJax jax=SVG><svg><g><path/></g></svg><mjx-assistive-mml>{BARE}"
    "</mjx-assistive-mml></mjx-container>",
    "wiki": f"<span class=mwe-math-element><span class=mwe-math-mathml-inline style='display: none;'>{MATH}</span>"
    "<img class=mwe-math-fallback-image-inline aria-hidden=true alt='{\\displaystyle a^2}'></span>",
    "alternative text": "<math alttext='a^2'><msup><mi>a</mi><mn>2</mn></msup></math>",
    "image": "<img class=latex src=x alt='a^2'>",
    "delimiters": "<span class=math>\\(a^2\\)</span>",
    "custom element": "<math-renderer class=js-inline-math>$a^2$</math-renderer>",
    "MathML alone": BARE,
    "namespace": "<mml:math><mml:msup><mml:mi>a</mml:mi><mml:mn>2</mml:mn></mml:msup></mml:math>",
}


@pytest.mark.parametrize("html", RENDERERS.values(), ids=RENDERERS)
def test_a_formula_is_written_once(html: str) -> None:
    for form in ("plain", "markdown"):
        for around in ("<p>If %s is right.</p>", "<ul><li><p>If %s is right.</ul>", "<dl><dd>If %s is right.</dl>"):
            text = written(around % html, form)  # type: ignore[arg-type]
            assert text.removeprefix("- ") == "If $a^2$ is right."


@pytest.mark.parametrize(
    "html",
    [
        MATH.replace("<math>", "<math display=block>"),
        "<script type='math/tex; mode=display'>a^2</script>",
        "<div class=math>\\[a^2\n\\]</div>",
        "<math-renderer>$$\na^2\n$$</math-renderer>",
    ],
)
def test_a_displayed_formula_has_two_dollars(html: str) -> None:
    assert written(f"<p>If</p><p>{html}</p><p>is right, MathJax.</p>").split() == [
        "If",
        "$$a^2$$",
        *["is", "right,", "MathJax."],
    ]


@pytest.mark.parametrize(
    ("inside", "tex"),
    [
        ("<mfrac><mn>1</mn><mrow><mi>x</mi><mo>+</mo><mn>1</mn></mrow></mfrac>", r"\frac{1}{x+1}"),
        ("<msub><mi>x</mi><mi>i</mi></msub>", "x_i"),
        ("<msubsup><mi>x</mi><mi>i</mi><mn>10</mn></msubsup>", "x_i^{10}"),
        ("<msup><mrow><mo>(</mo><mi>a</mi><mo>)</mo></mrow><mn>2</mn></msup>", "{(a)}^2"),
        ("<msqrt><mi>x</mi><mo>+</mo><mi>y</mi></msqrt>", r"\sqrt{x+y}"),
        ("<mroot><mi>x</mi><mn>3</mn></mroot>", r"\sqrt[3]{x}"),
        ("<mi>α</mi><mi>x</mi>", r"\alpha x"),
        ("<mi>sin</mi><mi>x</mi>", r"\sin x"),
        ("<mi>a</mi><mo>≤</mo><mi>b</mi>", r"a \le b"),
        ("<mi mathvariant='double-struck'>R</mi>", r"\mathbb{R}"),
        ("<mtext>for all</mtext>", r"\text{for all}"),
        ("<mover><mi>x</mi><mo>¯</mo></mover>", r"\bar{x}"),
        ("<munderover><mo>∑</mo><mrow><mi>i</mi></mrow><mi>n</mi></munderover><mi>i</mi>", r"\sum_i^ni"),
        ("<munder><mi>lim</mi><mi>n</mi></munder>", r"\lim_n"),
        ("<mtable><mtr><mtd><mn>1</mn></mtd><mtd><mn>0</mn></mtd></mtr><mtr><mtd><mn>2</mn></mtd></mtr></mtable>",
         r"\begin{matrix}1 & 0 \\ 2\end{matrix}"),
        ("<mfenced open='[' close=']'><mi>a</mi><mi>b</mi></mfenced>", "[a,b]"),
        ("<mmultiscripts><mi>C</mi><mi>k</mi><none/><mprescripts/><none/><mi>n</mi></mmultiscripts>", "{}^nC_k"),
        ("<mo>{</mo><mi>x</mi><mo>}</mo>", r"\{x\}"),
        ("<mi>x</mi><mspace width='1em'/><mi>y</mi>", "x y"),
        ("<mfrac linethickness=0><mi>n</mi><mi>k</mi></mfrac>", r"\binom{n}{k}"),
    ],
)  # fmt: skip
def test_mathml_becomes_tex_by_rules(inside: str, tex: str) -> None:
    found = mathml.tex(mathml.parsed(tokens(f"<math><mrow>{inside}</mrow></math>")))
    assert " ".join(found.split()) == tex


def test_any_depth_of_mathml_is_read() -> None:
    deep = "<mrow>" * 5_000 + "<mi>x</mi>" + "</mrow>" * 5_000
    assert mathml.tex(mathml.parsed(tokens(f"<math>{deep}</math>"))).strip() == "x"
