"""The languages of the world's web by their codes, and what people write instead of a code."""

from __future__ import annotations

# ISO 639-1 and 639-3 (a macrolanguage's own code, which CLD2 gives), then other codes and names.
_TABLE = (
    "aa aar", "ab abk", "af afr", "ak aka", "am amh", "ar ara arabic", "as asm", "ay aym", "az aze", "ba bak",
    "be bel", "bg bul bulgarian", "bi bis", "bn ben bengali", "bo bod", "br bre", "bs bos", "ca cat catalan",
    "ceb ceb", "co cos", "cs ces czech cze", "cy cym", "da dan danish", "de deu german deutsch ger", "dv div",
    "dz dzo", "ee ewe", "el ell greek gre", "en eng english en-us en-gb", "eo epo", "es spa spanish español",
    "et est estonian", "eu eus basque", "fa fas persian farsi", "fi fin finnish", "fj fij", "fo fao",
    "fr fra french français fre", "fy fry", "ga gle irish", "gd gla", "gl glg galician", "gn grn", "gu guj",
    "gv glv", "ha hau", "he heb hebrew", "hi hin hindi", "hr hrv croatian", "ht hat", "hu hun hungarian",
    "hy hye armenian", "ia ina", "id ind indonesian", "ie ile", "ig ibo", "ik ipk", "is isl icelandic ice",
    "it ita italian italiano", "iu iku", "ja jpn japanese jp", "jv jav", "ka kat georgian", "kk kaz", "kl kal",
    "km khm", "kn kan", "ko kor korean kr", "ks kas", "ku kur", "ky kir", "la lat", "lb ltz", "lg lug", "ln lin",
    "lo lao", "lt lit lithuanian", "lv lav latvian", "mg mlg", "mi mri", "mk mkd macedonian", "ml mal", "mn mon",
    "mr mar", "ms msa malay", "mt mlt", "my mya", "na nau", "ne nep", "nl nld dutch dut", "nn nno",
    "no nor norwegian nb", "ny nya", "oc oci", "om orm", "or ori", "pa pan", "pl pol polish", "ps pus",
    "pt por portuguese português pt-br", "qu que", "rm roh", "rn run", "ro ron romanian rum", "ru rus russian",
    "rw kin", "sa san", "sd snd", "sg sag", "si sin", "sk slk slovak", "sl slv slovenian", "sm smo", "sn sna",
    "so som", "sq sqi albanian", "sr srp serbian", "ss ssw", "st sot", "su sun", "sv swe swedish", "sw swa swahili",
    "ta tam tamil", "te tel telugu", "tg tgk", "th tha thai", "ti tir", "tk tuk", "tl tgl tagalog fil", "tn tsn",
    "to ton", "tr tur turkish", "ts tso", "tt tat", "tw twi", "ug uig", "uk ukr ukrainian ua", "ur urd urdu",
    "uz uzb", "ve ven", "vi vie vietnamese", "vo vol", "wo wol", "xh xho", "yi yid", "yo yor", "za zha",
    "zh zho chinese chi cn zh-cn zh-tw", "zu zul",
)  # fmt: skip

# Two letters → three, as Common Crawl's index has them.
THREE_LETTERS: dict[str, str] = {line.split()[0]: line.split()[1] for line in _TABLE}
# What people write → the code with two letters, which fastText's lid.176 has too.
MEANT: dict[str, str] = {word: line.split()[0] for line in _TABLE for word in line.split()[1:]}
