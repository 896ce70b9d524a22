"""One sentence in several languages, by code."""

from __future__ import annotations

TEXTS = {
    "en": "The river rose again in the night, and by morning the lower meadow was under water.",
    "de": "Der Fluss ist in der Nacht wieder gestiegen, und am Morgen stand die untere Wiese unter Wasser.",
    "fr": "La rivière est encore montée dans la nuit, et au matin le pré du bas était sous l'eau.",
    "ru": "Река снова поднялась ночью, и к утру нижний луг оказался под водой.",
    "ja": "川はまた夜のうちに増水し、朝には下の牧草地が水に浸かっていた。",
}
