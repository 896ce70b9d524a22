"""Two-letter codes of languages (ISO 639-1) as the three-letter ones (ISO 639-3) that Common Crawl's index has."""

from __future__ import annotations

from stages.errors import ConfigError, nearest

# ISO 639-1 → 639-3; a macrolanguage's own code where CLD2, which fills the index, gives that.
THREE = {
    "aa": "aar", "ab": "abk", "af": "afr", "ak": "aka", "am": "amh", "ar": "ara", "as": "asm", "ay": "aym",
    "az": "aze", "ba": "bak", "be": "bel", "bg": "bul", "bi": "bis", "bn": "ben", "bo": "bod", "br": "bre",
    "bs": "bos", "ca": "cat", "ceb": "ceb", "co": "cos", "cs": "ces", "cy": "cym", "da": "dan", "de": "deu",
    "dv": "div", "dz": "dzo", "ee": "ewe", "el": "ell", "en": "eng", "eo": "epo", "es": "spa", "et": "est",
    "eu": "eus", "fa": "fas", "fi": "fin", "fj": "fij", "fo": "fao", "fr": "fra", "fy": "fry", "ga": "gle",
    "gd": "gla", "gl": "glg", "gn": "grn", "gu": "guj", "gv": "glv", "ha": "hau", "he": "heb", "hi": "hin",
    "hr": "hrv", "ht": "hat", "hu": "hun", "hy": "hye", "ia": "ina", "id": "ind", "ie": "ile", "ig": "ibo",
    "ik": "ipk", "is": "isl", "it": "ita", "iu": "iku", "ja": "jpn", "jv": "jav", "ka": "kat", "kk": "kaz",
    "kl": "kal", "km": "khm", "kn": "kan", "ko": "kor", "ks": "kas", "ku": "kur", "ky": "kir", "la": "lat",
    "lb": "ltz", "lg": "lug", "ln": "lin", "lo": "lao", "lt": "lit", "lv": "lav", "mg": "mlg", "mi": "mri",
    "mk": "mkd", "ml": "mal", "mn": "mon", "mr": "mar", "ms": "msa", "mt": "mlt", "my": "mya", "na": "nau",
    "ne": "nep", "nl": "nld", "nn": "nno", "no": "nor", "ny": "nya", "oc": "oci", "om": "orm", "or": "ori",
    "pa": "pan", "pl": "pol", "ps": "pus", "pt": "por", "qu": "que", "rm": "roh", "rn": "run", "ro": "ron",
    "ru": "rus", "rw": "kin", "sa": "san", "sd": "snd", "sg": "sag", "si": "sin", "sk": "slk", "sl": "slv",
    "sm": "smo", "sn": "sna", "so": "som", "sq": "sqi", "sr": "srp", "ss": "ssw", "st": "sot", "su": "sun",
    "sv": "swe", "sw": "swa", "ta": "tam", "te": "tel", "tg": "tgk", "th": "tha", "ti": "tir", "tk": "tuk",
    "tl": "tgl", "tn": "tsn", "to": "ton", "tr": "tur", "ts": "tso", "tt": "tat", "tw": "twi", "ug": "uig",
    "uk": "ukr", "ur": "urd", "uz": "uzb", "ve": "ven", "vi": "vie", "vo": "vol", "wo": "wol", "xh": "xho",
    "yi": "yid", "yo": "yor", "za": "zha", "zh": "zho", "zu": "zul",
}  # fmt: skip


def three_letters(code: str) -> str:
    """The ISO 639-3 code of a language. Raises ConfigError if it is not a code."""
    lower = code.strip().lower()
    if len(lower) == 3 and lower.isascii() and lower.isalpha():
        return lower
    if lower not in THREE:
        raise ConfigError(f"--language {code!r}: give an ISO 639 code such as is or isl: {nearest(lower, list(THREE))}")
    return THREE[lower]
