"""Text for the Pieces of a prompt: equal ids are equal text, unequal ids differ within the first eight tokens.

Each token is a blank and an English word of three letters, which the vocabularies of GPT, Llama, Qwen, Mistral and
SmolLM hold as one token each; with four bytes a token, estimates by length come out right as well. A Piece is cut out
of one long text without meaning, at a place that its id names, behind up to eight words that spell the id: of ids that
are near each other the first word differs already. Nothing is kept but that text: cutting a slice is faster than
looking it up.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Final

from headway.perf.traffic.planned import Piece

__all__ = ["TOKEN_BYTES", "WORDS", "Prompts"]

TOKEN_BYTES: Final = 4

WORDS: Final = """
    act add age ago aid aim air all and any app are arm art ask ate bad bag ban bar bat bed bet big bit box boy bus
    but buy cab cap car cat cow cry cup cut dad day did die dip doc dog dot dry due ear eat egg ego end era eye fan
    far fat fed fee few fig fit fix fly fog for fox fun fur gap gas get god got guy had has hat her hey him hip his
    hit hop hot how hub hug ice ill ink its jam jar jet job joy key kid kit lab lap law lay led leg let lid lie lip
    lit log lot low mad man map mat may men met mid mix mob mod mom mud nap net new nor not now nut odd off oil old
    one opt our out owe own pad pan par pat pay pen per pet pie pig pin pit pop pot pro pub put raw ray red ref rib
    rid rip rod rot row rub run sat saw say sea see set she shy sir sit six ski sky son spa sub sum sun tag tap tax
    tea ten the tie tin tip toe ton too top toy try tub two use van vow was way web wet who why win wit won yes yet
    you zip zoo bay bee bid bin bow cam dam den dim gel gem gym ham hen hut inn ion jaw kin lad oak pal paw pea pod
    rat ram rim rug
""".split()  # noqa: SIM905 (as text it can be read)

_SEA: Final = 1 << 17  # tokens
_ID_WORDS: Final = 8
_MIX: Final = 0x9E3779B97F4A7C15
"""Odd, so that to multiply by it is one to one modulo 2^64 (Knuth's multiplicative hash, 2^64 over the golden
ratio)."""


class Prompts:
    """`salt`: another one, other text throughout."""

    def __init__(self, salt: int) -> None:
        self._salt = random.Random(salt).getrandbits(64)  # noqa: S311 (text, not secrets)
        letters = random.Random(salt + 1).randbytes(_SEA)  # noqa: S311
        sea = bytearray(TOKEN_BYTES * _SEA)
        for place, table in enumerate(_TABLES):
            sea[place::TOKEN_BYTES] = letters.translate(table)
        self._sea = bytes(sea)

    def text(self, pieces: Iterable[Piece]) -> bytes:
        """ASCII, without any character that JSON would escape; four bytes a token."""
        return b"".join([self._piece(piece.id, piece.tokens) for piece in pieces])

    def _piece(self, ident: int, tokens: int) -> bytes:
        spelled = (ident * _MIX + self._salt) % (1 << 64)
        name = b"".join([_WORD[byte] for byte in spelled.to_bytes(8, "little")[: min(tokens, _ID_WORDS)]])
        begin = TOKEN_BYTES * ((spelled >> 24) % _SEA)
        rest = TOKEN_BYTES * tokens - len(name)
        text = self._sea[begin : begin + rest]
        while len(text) < rest:  # over the end of the sea
            text += self._sea[: rest - len(text)]
        return name + text


_WORD: Final = tuple(b" " + word.encode() for word in WORDS)
_TABLES: Final = tuple(bytes(word[place] for word in _WORD) for place in range(TOKEN_BYTES))
