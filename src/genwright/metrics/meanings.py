"""What every score asks, in plain words.

How good a value is, is not said here: that follows from what real data and a baseline score, see `reading`.
"""

from dataclasses import dataclass
from typing import Literal

from genwright.scores.score import Direction

Grade = Literal["good", "fair", "poor", "fact"]


@dataclass(frozen=True)
class Meaning:
    """What a metric asks, in words.

    `best` is the grade of a score at its floor: "fact" where a good value proves nothing. `graded` is the direction by
    which it is judged, where that is not the score's own: one whose target is its floor may speak of copying on one
    side of it only. `reported`: never graded. `worst` is the end of its scale, for scores that come without a baseline;
    `alarm` marks those of which any excess over the floor is grave.
    """

    question: str
    best: Grade = "good"
    graded: Direction | None = None
    reported: bool = False
    worst: float | None = None
    alarm: bool = False


def meaning_of(name: str) -> Meaning | None:
    """The meaning of the score called `name`, which may go on with ": " and what it is about.

    >>> meaning_of("strength: model A").question
    'How strong the system is in the eyes of the raters; 400 points more win ten times out of eleven.'
    """
    numbered = next((meaning for start, meaning in _BEGINNINGS.items() if name.startswith(start)), None)
    return MEANINGS.get(name) or MEANINGS.get(name.split(":")[0]) or numbered


def _describes(question: str) -> Meaning:
    """A score that is reported and never graded."""
    return Meaning(question, "fact", reported=True)


_TABLES = {
    "largest dependence error": Meaning(
        "How far the dependence of that pair of columns is off that is off most (Cramer's V, from 0 to 1)."
    ),
    "shape error": Meaning("How far single columns are off, on average."),
    "trend error": Meaning("How far pairs of columns are off, on average."),
    "mutual information error": Meaning("How far the dependence between pairs of columns is off, on average."),
    "C2ST": Meaning(
        "Can a classifier that learned the difference tell generated records from real ones (classifier two-sample "
        "test)? 1: not at all, 0: always.",
        worst=0.0,
    ),
    "C2ST cross-entropy": _describes(
        "How unsure that classifier is about a record, on average. 1 bit: it tosses a coin, 0: it is certain."
    ),
    "logistic C2ST": Meaning(
        "Can a linear model tell generated rows from real ones? 1: not at all. It is blind to dependence between "
        "columns, so a good value says little.",
        "fact",
    ),
    "alpha-precision": Meaning("Do generated rows lie where typical real ones lie? 1: exactly as real.", worst=0.0),
    "beta-recall": Meaning(
        "Are all kinds of real rows, rare ones too, made as often as they occur? 1: yes.", worst=0.0
    ),
    "TSTR gap": Meaning(
        "What a predictive model loses by learning from generated rows instead of real ones (train on synthetic, test "
        "on real).",
    ),
}
_COPIES = {
    "exact copies": Meaning("Generated records that equal a training record.", alarm=True),
    "near copies": Meaning(
        "Generated records nearer to a training record, for how crowded it is there, than unseen real ones come; those "
        "that chance would put so near are taken off.",
        alarm=True,
    ),
    "C_T": Meaning(
        "Data-copying test: are generated records nearer to training records than unseen real ones are, beyond chance "
        "(in standard deviations)? Far below 0: copies; far above: they miss the data.",
        graded="higher",
        alarm=True,
    ),
    "nearest training row": Meaning(
        "Nearer to training rows than to unseen real ones? .5: no, 1: always.", "fact", "lower", alarm=True
    ),
    "nearest training image": Meaning(
        "Nearer to training images than to unseen real ones? .5: no, 1: always.", "fact", "lower", alarm=True
    ),
    "distance to closest record": _describes("How far the usual generated record lies from its nearest training one."),
    "authenticity": _describes(
        "Share of generated records farther from a training record than that one is from its own neighbours."
    ),
    "copied passages": Meaning("Texts with a longer copy of the training text than any unseen text.", alarm=True),
    "copied 32-byte runs": Meaning("Runs of 32 bytes that stand in the training text."),
    "copied 8-word runs": Meaning("Runs of 8 words that stand in the training text."),
    "canary exposure": Meaning("How well planted sentences are known by heart; 1.44 bits by chance.", alarm=True),
    "longest copied run": Meaning("How long the runs are that also stand in the training text."),
}
_IMAGES = {
    "Frechet distance": Meaning(
        "How far the images are off as a whole: mean and spread of the features that a network sees in them."
    ),
    "Frechet distance at infinity": Meaning("The same, with the bias of having few images extrapolated away."),
    "Frechet distance (pca)": Meaning("The same in principal components of the pixels, as a control."),
    "Frechet distance (random)": Meaning("The same in features of a network that learned nothing."),
    "kernel distance": Meaning("The same question, answered without assuming Gaussian features."),
    "precision": Meaning("Share of generated images that look like some real one.", worst=0.0),
    "recall": Meaning("Share of real images that the generator could have made.", worst=0.0),
    "density": Meaning("Are generated images where real ones are dense? 1: as dense as real.", worst=0.0),
    "coverage": Meaning("Share of real images with a generated one nearby.", worst=0.0),
    "Vendi score": Meaning(
        "How many different kinds of images there are, in effect; real images set the goal.", worst=1.0
    ),
    "Inception Score": Meaning(
        "Does a classifier see clear classes, and all of them alike often? 1 to the number of classes.", worst=1.0
    ),
    "label agreement": Meaning(
        "Does a classifier see the class that was asked for? As often as in real images is the goal: more means that "
        "images are clearer, and less varied, than real ones."
    ),
    "path length": Meaning("How much the image changes for a small step in latent space; less is smoother."),
    "PSNR": Meaning("How faithful pixels are to the reference image, in decibels."),
    "SSIM": Meaning("How alike local brightness, contrast and structure are to the reference. 1: equal."),
    "MS-SSIM": Meaning("Structural likeness to the reference at several sizes. 1: equal."),
    "LPIPS": Meaning("How different a network sees the image and its reference. 0: equal."),
}
_TEXT = {
    "copied texts": Meaning("Generated texts that stand in exactly one training row.", alarm=True),
    "text agreement": Meaning("How often a text tells another column of its row."),
    "distinct-1": Meaning("Variety of words within 200 words. Less repeats itself, more is disorder."),
    "distinct-2": Meaning("Variety of pairs of words. Less repeats itself, more is disorder."),
    "distinct-3": Meaning("Variety of triples of words. Less repeats itself, more is disorder."),
    "self-BLEU": Meaning("How alike the generated texts are to each other, 0 to 100."),
    "seq-rep-4": Meaning("Share of runs of 4 words that stood in the same text before."),
    "repetition rate": Meaning("Share of word runs that occur more than once, over runs of 1 to 4 words."),
    "compression ratio": Meaning("How many times smaller a file compressor makes the text."),
    "lexical coherence": Meaning("Do neighbouring sentences share words more than shuffled ones do?"),
    "embedding coherence": Meaning("Are neighbouring sentences closer in meaning than shuffled ones?"),
    "MAUVE": Meaning("How much of the range of real and of generated text overlaps. 1: all of it.", worst=0.0),
    "MAUVE*": Meaning("How much of the range of real and of generated text overlaps. 1: all of it.", worst=0.0),
    "BLEU": Meaning("Share of word runs that the reference has too, 0 to 100."),
    "chrF": Meaning("Share of letter runs in common with the reference, 0 to 100."),
    "chrF++": Meaning("Share of letter and word runs in common with the reference, 0 to 100."),
    "TER": Meaning("Edits needed to arrive at the reference, per word of it."),
    "ROUGE-1": Meaning("Words in common with the reference. 1: all."),
    "ROUGE-2": Meaning("Pairs of words in common with the reference. 1: all."),
    "ROUGE-L": Meaning("Longest sequence of words in common with the reference. 1: all."),
    "ROUGE-Lsum": Meaning("The same line by line, as for summaries."),
}
_SERIES = {
    "marginal error": Meaning("How far the shares of small and large readings are off, sensor by sensor."),
    "context Frechet distance": Meaning(
        "How far whole series are off, as an encoder sees them that learned from yours."
    ),
    "forecast CRPS": Meaning("How far whole forecasts of unseen series lie from what came, in standard deviations."),
    "ACF error": Meaning("How far each series' memory of its own past is off."),
    "PACF error": Meaning("How far the direct memory, each lag by itself, is off."),
    "cross-correlation error": Meaning("How far channels move together at the wrong lags."),
    "spectral distance": Meaning("How far the strengths of slow and fast waves are off, in decibels."),
    "discriminative score": Meaning("Can a classifier tell generated series from real ones? 0: no.", worst=0.5),
    "predictive score": Meaning("Error of forecasts of real series, learned from generated ones."),
}
_LIKELIHOOD = {
    "bits per byte": Meaning("Bits the model needs for each byte of unseen text; a random byte takes 8."),
    "negative log-likelihood": Meaning("How surprised the model is by unseen real records."),
    "NLL": Meaning("How surprised the model is by unseen real records."),
    "negative ELBO": Meaning("An upper bound of how surprised the model is by unseen real records."),
    "CRPS": Meaning("How far whole forecasts lie from what came, in the unit of the data."),
    "ECE": Meaning("How far stated probabilities are from what comes true."),
}
_HUMAN = {
    "strength": Meaning(
        "How strong the system is in the eyes of the raters; 400 points more win ten times out of eleven."
    ),
    "win rate against real": Meaning("How often raters prefer it to a real one; ties count half.", worst=0.0),
    "left side chosen": _describes("How often the left one is chosen; 50 % is no leaning."),
    "ties": _describes("How often raters see no difference."),
    "called real": Meaning("How often raters take it for real.", worst=0.0),
    "told from real": Meaning("How often raters tell it from real ones rightly; 50 % is guessing.", worst=100.0),
    "agreement": _describes("How far raters agree beyond chance (Krippendorff). 1: always, 0: no more than by chance."),
    "self-consistency": _describes("How often raters answer a repeated question as before."),
    "aesthetic quality": Meaning("How pleasing raters find it, 1 to 7.", worst=1.0),
    "creativity": Meaning("How creative and original raters find it, 1 to 7.", worst=1.0),
    "coherence": Meaning("How well raters find its parts fit together, 1 to 7.", worst=1.0),
    "emotional impact": Meaning("How strongly it moves raters, 1 to 7.", worst=1.0),
    "cultural appropriateness": Meaning(
        "How fitting raters find it for those it shows or addresses, 1 to 7.", worst=1.0
    ),
    "technical competence": Meaning("How well made raters find it, 1 to 7.", worst=1.0),
}
MEANINGS: dict[str, Meaning] = _TABLES | _COPIES | _IMAGES | _TEXT | _SERIES | _LIKELIHOOD | _HUMAN
_BEGINNINGS: dict[str, Meaning] = {
    "byte ": Meaning("How different the letter patterns are, 0 to 1 bit."),
    "distinct-": Meaning("Variety of runs of words. Less repeats itself, more is disorder."),
    "seq-rep-": Meaning("Share of runs of words that stood in the same text before."),
    "perplexity": Meaning("Among how many equally likely choices the model hesitates, on average."),
    "negative IWAE": Meaning("A tight upper bound of how surprised the model is by unseen records."),
    "BERTScore": Meaning("How much of the meaning of the reference is kept, by an embedding of words."),
    "path length": Meaning("How much the image changes for a small step in latent space."),
    "predictive score": Meaning("Error of forecasts of real series, learned from generated ones."),
}
