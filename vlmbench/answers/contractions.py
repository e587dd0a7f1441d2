"""English contractions, and the spellings with one apostrophe lost that mean them.

The VQA challenge's rule restores such spellings from a table. That table can be derived: every
contraction stands in it once for each apostrophe it can lose. Three of its entries are slips, which
belong to the compatible rules: keys with a capital (never reached, the text is in small letters by
then), two that lack the spelling without apostrophe, and one written the wrong way round.
"""

from __future__ import annotations

_WITH_ONE = """
ain't aren't can't could've couldn't didn't doesn't don't hadn't hasn't haven't he'd he's how'd how'll how's
isn't it'd it'll ma'am might've mightn't must've mustn't needn't not've o'clock oughtn't shan't should've
shouldn't somebody'll somebody's someone'd someone'll someone's something'd something'll that's there'd
there're there's they'd they'll they're they've 'twas wasn't we've weren't what'll what're what's what've
when's where'd where's where've who'd who'll who's who've why'll why're why's won't would've wouldn't y'all
you'd you'll you're you've
"""

_WITH_MORE = """
couldn't've hadn't've he'd've it'd've mightn't've 'ow's'at she'd've shouldn't've somebody'd've someone'd've
something'd've there'd've they'd've we'd've who'd've wouldn't've y'all'll y'all'd've you'd've
"""

_SLIP = {"somebody'd": "somebodyd"}
_MENDED = "i'm i've i'd've let's she's somebody'd"


def one_apostrophe_lost(words: str) -> dict[str, str]:
    """Each of the words, by every spelling that lacks one of its apostrophes."""
    return {
        word[:place] + word[place + 1 :]: word
        for word in words.split()
        for place, char in enumerate(word)
        if char == "'"
    }


AS_VLMEVALKIT = one_apostrophe_lost(_WITH_ONE + _WITH_MORE) | _SLIP
MENDED = one_apostrophe_lost(_WITH_ONE + _WITH_MORE + _MENDED)
