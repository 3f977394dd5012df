"""Plain object words for the 1000 classes of ImageNet: breeds and species merged through WordNet's hypernyms.

A class gets the nearest word of ``PLAIN`` among itself and its hypernyms, where that is the first word of a synset, and
else its own first word. "golden retriever" and "pug" become "dog", "trilobite" stays.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_PLAIN = """
ape, antelope, bear, big cat, bird, bird of prey, butterfly, beetle, camel, cat, cock, crab, crayfish,
crocodilian reptile, dinosaur, dog, duck, elephant, fish, fox, frog, goose, grouse, hare, hen, horse, insect, lemur,
lizard, lobster, mollusk, monkey, owl, parrot, rabbit, ray, rodent, salamander, shark, sheep, snail, snake, spider,
squirrel, swan, swine, turtle, whale, wolf, worm,
aircraft, bicycle, boat, bus, car, cart, locomotive, motorcycle, sailboat, ship, tank, train, truck, vehicle,
warship,
bridge, building, church, fence, house, roof, shop, tent,
armor, boot, cap, clothing, coat, gown, hat, helmet, mask, robe, shirt, shoe, skirt, sweater, swimsuit,
undergarment,
appliance, bag, ball, barrel, basket, bathtub, bed, bin, bottle, bowl, box, cabinet, camera, candle, chair, clock,
computer, computer keyboard, cosmetic, cup, curtain, drum, furniture, glass, guitar, gun, hand tool, jar, jug,
knife, lamp, lock, measuring instrument, musical instrument, nail, optical instrument, oven, pan, paper, piano,
plate, pot, printer, puzzle, radio, rug, screen, screw, sofa, sports equipment, stove, table, telephone, telescope,
television, watch, weapon, wind instrument,
bread, cracker, dessert, dish, fruit, fungus, sandwich, squash, vegetable,
flower, mountain, shore
"""
PLAIN = frozenset(word.strip() for word in _PLAIN.split(","))
EVERYDAY = {
    "crocodilian reptile": "crocodile",
    "dish": "food",
    "fungus": "mushroom",
    "hand tool": "tool",
    "lesser panda": "red panda",
    "shore": "beach",
    "swine": "pig",
    "tusker": "elephant",
}
"""What people say for a word of WordNet."""


@dataclass(frozen=True, kw_only=True)
class Synset:
    """Words that mean the same, the most usual first, and the synsets of more general meaning."""

    words: tuple[str, ...]
    hypernyms: tuple[str, ...]


def read_nouns(text: str) -> dict[str, Synset]:
    """Read WordNet's ``data.noun``: synsets by "n" and their offset of eight digits (wndb(5WN))."""
    return dict(_read_synset(line) for line in text.splitlines() if not line.startswith("  "))


def _read_synset(line: str) -> tuple[str, Synset]:
    fields = line.partition(" | ")[0].split()
    count = int(fields[3], 16)
    words = tuple(word.replace("_", " ") for word in fields[4 : 4 + 2 * count : 2])
    pointers = fields[5 + 2 * count :]
    hypernyms = tuple(
        "n" + offset for kind, offset in zip(pointers[::4], pointers[1::4], strict=False) if kind in ("@", "@i")
    )
    return "n" + fields[0], Synset(words=words, hypernyms=hypernyms)


def plain_word(name: str, nouns: dict[str, Synset]) -> str:
    """Return the plain word of a synset."""
    first_words = (nouns[general].words[0] for general in _upwards(name, nouns))
    word = next((word for word in first_words if word in PLAIN), nouns[name].words[0])
    return EVERYDAY.get(word, word)


def _upwards(name: str, nouns: dict[str, Synset]) -> Iterator[str]:
    """The synset and all above it, the nearest first."""
    waiting, seen = deque([name]), {name}
    while waiting:
        current = waiting.popleft()
        yield current
        new = [general for general in nouns[current].hypernyms if general not in seen]
        seen.update(new)
        waiting.extend(new)


def synonyms(classes: Sequence[str], nouns: dict[str, Synset]) -> dict[str, str]:
    """Every other word of the classes, in lower case -> its plain word; words of several meanings are left out."""
    meanings: dict[str, set[str]] = {}
    for name in classes:
        for word in nouns[name].words:
            meanings.setdefault(word.lower(), set()).add(plain_word(name, nouns))
    tags = {plain_word(name, nouns).lower() for name in classes}
    return {word: next(iter(plain)) for word, plain in sorted(meanings.items()) if len(plain) == 1 and word not in tags}
