"""The audit as files: a page that works without a server and gives a CSV for download, and a CSV to fill in.

What they show was written by strangers: everything is escaped, and the page's own security policy allows only our
script to run, and nothing to be fetched.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import html
import io
import unicodedata
from collections.abc import Iterable, Sequence

from jobs.audit.samples import Item, Score
from refinedweb.views.terminal import printable
from stages.errors import ConfigError

FORM, SHEET = "form.html", "form.csv"
ANSWERS = ("item", "who", "score", "wrong")
COLUMNS = ("item", "stage", "reason", "url", "text", "beside", "who", "score", "wrong")
TRUE, FALSE = {"1", "x", "yes", "true", "wrong"}, {"", "0", "no", "false"}
CELL = 1000  # characters of a text in a cell of the CSV
SIGNS = "=+-@\N{MINUS SIGN}"  # with which a formula begins
BEFORE = " \N{IDEOGRAPHIC SPACE}\"'"  # what a spreadsheet may skip before them

STYLE = """
body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;max-width:60rem;padding:1rem;color:#222;background:#fff}
header{position:sticky;top:0;background:#fff;border-bottom:1px solid #ccc;padding:.5rem 0;z-index:1}
section{border:1px solid #ccc;border-radius:6px;margin:1rem 0;padding:1rem}
section.done{border-color:#2a7}h2{font-size:1rem;margin:0}.url{color:#666;font-size:.85rem;overflow-wrap:anywhere}
pre{white-space:pre-wrap;overflow-wrap:anywhere;background:#f6f6f6;padding:.7rem;max-height:22rem;overflow:auto}
.pair{display:grid;grid-template-columns:1fr 1fr;gap:1rem}fieldset{border:0;padding:0}label{margin-right:1rem}
"""
SCRIPT = """
const cards=[...document.querySelectorAll('section')],count=document.getElementById('count');
const score=c=>{const r=c.querySelector('input[type=radio]:checked');return r?r.value:''};
const wrong=c=>c.querySelector('input[type=checkbox]').checked;
const update=()=>{let n=0;for(const c of cards){const d=score(c)!==''||wrong(c);c.classList.toggle('done',d);n+=d}
count.textContent=n+' of '+cards.length};
document.addEventListener('change',update);update();
document.getElementById('save').addEventListener('click',()=>{
const who=document.getElementById('who').value.replace(/[",;\\r\\n]/g,' ').replace(/^[^\\p{L}\\p{N}]+/u,'');
const rows=cards.filter(c=>score(c)!==''||wrong(c)).map(c=>
[c.dataset.item,who,score(c),wrong(c)?1:''].map(v=>'"'+v+'"').join(','));
const a=document.createElement('a');
a.href=URL.createObjectURL(new Blob(['item,who,score,wrong\\n'+rows.join('\\n')+'\\n'],{type:'text/csv'}));
a.download='scores.csv';a.click()});
"""


def form(items: Sequence[Item], title: str) -> str:
    """The HTML of the page."""
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; base-uri 'none'"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f'<meta name="viewport" content="width=device-width"><title>{_shown(title)}</title>'
        f"<style>{STYLE}</style></head><body><header><strong>{_shown(title)}</strong> — how good is the page as "
        "training text (1 useless, 5 excellent), and was the decision wrong? "
        '<label>Your name <input id="who" maxlength="60"></label>'
        '<button id="save">Download scores.csv</button> <span id="count"></span></header>'
        f"{''.join(map(_card, items))}<script>{SCRIPT}</script></body></html>\n"
    )


def _card(item: Item) -> str:
    texts = f"<pre>{_shown(item.text)}</pre>"
    if item.beside:
        other = f"<pre>{_shown(item.beside)}</pre>"
        texts = f'<div class="pair"><div>This one{texts}</div><div>Its duplicate{other}</div></div>'
    name = html.escape(item.item)
    radios = "".join(
        f'<label><input type="radio" name="{name}" value="{n}"> {n}</label>' for n in range(1, 6)
    )  # fmt: skip
    return (
        f'<section data-item="{name}"><h2>{_shown(item.decision)}</h2><div class="url">{_shown(item.url)}</div>{texts}'
        f'<fieldset>{radios}<label><input type="checkbox"> wrong decision</label></fieldset></section>'
    )


def _shown(text: str) -> str:
    return html.escape(printable(text))


def sheet(items: Iterable[Item]) -> str:
    """A CSV with a row for each item, in which people fill in the columns who, score and wrong.

    Every cell is quoted: many spreadsheets split an unquoted one at `;`, and what follows may be a formula.
    """
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL)
    writer.writerow(COLUMNS)
    for item in items:
        filled = (item.item, item.stage, item.reason, item.url, item.text[:CELL], item.beside[:CELL])
        writer.writerow([*map(_cell, filled), "", "", ""])
    return out.getvalue()


def _cell(text: str) -> str:
    """The text of a cell, no part of which a spreadsheet takes for a formula, wherever it may split the cell."""
    lines = printable(text).split("\n")
    return "\n".join(";".join(map(_defused, line.split(";"))) for line in lines)


def _defused(part: str) -> str:
    first = unicodedata.normalize("NFKC", part.lstrip(BEFORE)[:1])[:1]  # a full-width sign is a sign, too
    return f"'{part}" if first and first in SIGNS else part


def read_scores(data: str, name: str, known: Iterable[str]) -> list[Score]:
    """The scores in a CSV, from the page or filled in. Rows with neither a score nor a mark count as not judged.

    Raises ConfigError, with the line, if one cannot be understood.
    """
    reader = csv.DictReader(io.StringIO(data.removeprefix("\ufeff")))
    missing = [column for column in ANSWERS if column not in (reader.fieldnames or ())]
    if missing:
        raise ConfigError(f"{name} has no column {', '.join(missing)}; it needs {', '.join(ANSWERS)}")
    items, found = set(known), []
    for row in reader:
        where = f"{name}, line {reader.line_num}"
        wrong = (row["wrong"] or "").strip().lower()
        score = (row["score"] or "").strip()
        if not score and not wrong:
            continue
        if row["item"] not in items:
            raise ConfigError(f"{where}: the audit has no item {row['item']!r}")
        if score not in ("", "1", "2", "3", "4", "5"):
            raise ConfigError(f"{where}: a score must be 1 to 5, not {score!r}")
        if wrong not in TRUE | FALSE:
            raise ConfigError(f"{where}: wrong must be empty or 1, not {wrong!r}")
        found.append(Score(row["item"], (row["who"] or "").strip(), int(score) if score else None, wrong in TRUE))
    return found
