"""How the engine `blocks` writes down what it chose: from the blocks of a page and its HTML to plain text or Markdown.

The model says which blocks are main text. It knows nothing of their form, and the form changes nothing of its choice.
The writer walks the chosen blocks once, in the order of the page, and asks for each what it is in:

- `outline` knows the block-level elements around a block: the scanner's nodes have parents, tags and places.
- A *run* is a block, or several that only phrasing content (an icon, a button, a custom element) lies between: they are
  one paragraph. Its text is what the scanner wrote, unless its HTML holds something that is not written letter by
  letter: then `inline` reads that piece of HTML again (formulas, and in Markdown all markup).
- `lists` gives a run the marker of the item that it begins, and the indentation of those that it goes on.
- `tables` makes the grid of a data table from its cells, empty ones too, each spanned place filled. A table whose cells
  hold prose, headings or other tables is layout: its blocks are written as if they were in no table.
- `code` reads the HTML of preformatted text again: its lines as they are, without line numbers and buttons.
- `formulas` finds the TeX of a formula, once, whatever renderer wrote it; `mathml` makes TeX of MathML that has none.

Tables and code are written whole if at least half of their words were chosen: a part of either states what its author
did not. Nothing is read that lies before the first chosen block or after the last, and every piece of HTML is read a
fixed number of times, so time stays linear.

Both formats come from the same walk, and differ in how a part is marked:

| | plain | Markdown (CommonMark with GFM's tables) |
|---|---|---|
| paragraph | as it is | what would be markup is escaped |
| heading | as it is | `#` to `######` |
| emphasis, code in a line | as it is | `*`, `**`, `~~`, backticks |
| item | `-` or its number, indented by depth | the same |
| table | cells between `|` | the same, with a rule below the first row |
| code | its lines | between fences that name the language, indented within items |
| quotation | as it is | after `>` |
| formula | TeX between `$`, displayed between `$$` | the same |
"""
