"""What a text message takes, at the places where it takes one more."""

import pytest

from notification.segments import Size, size


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Size("GSM-7", 0, 1)),
        ("x" * 160, Size("GSM-7", 160, 1)),
        ("x" * 161, Size("GSM-7", 161, 2)),
        ("x" * 306, Size("GSM-7", 306, 2)),
        ("x" * 307, Size("GSM-7", 307, 3)),
        ("é@£Ω\n", Size("GSM-7", 5, 1)),
        ("€" * 80, Size("GSM-7", 160, 1)),
        ("€" * 81, Size("GSM-7", 162, 2)),
        # An escape is not parted from what it escapes: the first part is one septet short.
        ("x" * 152 + "€" + "x" * 152, Size("GSM-7", 306, 3)),
        ("ç" * 70, Size("UCS-2", 70, 1)),
        ("ç" * 71, Size("UCS-2", 71, 2)),
        ("ç" * 134, Size("UCS-2", 134, 2)),
        ("ç" * 135, Size("UCS-2", 135, 3)),
        ("💈" * 35, Size("UCS-2", 70, 1)),
        ("💈" * 36, Size("UCS-2", 72, 2)),
        # Nor are the halves of a pair: 66 units go into each part.
        ("💈" * 67, Size("UCS-2", 134, 3)),
        ("`", Size("UCS-2", 1, 1)),
    ],
)
def test_a_text_takes_as_many_segments_as_a_carrier_counts(text: str, expected: Size) -> None:
    assert size(text) == expected


def test_the_alphabet_is_the_standards() -> None:
    """3GPP TS 23.038 §6.2.1 has 128 places, one of them the escape, and ten characters behind it."""
    one = [
        chr(code) for code in range(0x11_0000) if not 0xD800 <= code < 0xE000 and size(chr(code)).units == 1
    ]
    gsm = [char for char in one if size(char).encoding == "GSM-7"]
    two = [chr(code) for code in range(0x1_0000) if size(chr(code)) == Size("GSM-7", 2, 1)]
    assert len(gsm) == 127
    assert sorted(two) == sorted("\f^{}\\[~]|€")
