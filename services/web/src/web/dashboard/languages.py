"""Languages by name, as forms offer and pages show them."""

from web.dashboard.message_words import LANGUAGES

_OTHERS = {
    "bg": "Bulgarian",
    "ca": "Catalan",
    "cs": "Czech",
    "da": "Danish",
    "el": "Greek",
    "es": "Spanish",
    "et": "Estonian",
    "fi": "Finnish",
    "fr": "French",
    "hr": "Croatian",
    "hu": "Hungarian",
    "it": "Italian",
    "lt": "Lithuanian",
    "lv": "Latvian",
    "nb": "Norwegian",
    "nl": "Dutch",
    "no": "Norwegian",
    "pl": "Polish",
    "ro": "Romanian",
    "ru": "Russian",
    "sk": "Slovak",
    "sl": "Slovenian",
    "sv": "Swedish",
    "tr": "Turkish",
    "uk": "Ukrainian",
}


def language(tag: str) -> str:
    """English, Portuguese (BR): the name of a BCP 47 tag; the tag itself where we know none."""
    first, _, rest = tag.partition("-")
    name = LANGUAGES.get(first) or _OTHERS.get(first)
    if name is None:
        return tag
    return f"{name} ({rest})" if rest else name


def choices(present: str) -> dict[str, str]:
    """What a form offers, by tag: the languages of our messages, and the present one."""
    return LANGUAGES | {present: language(present)}
