"""What a private fit promises and what it does not, in words, from what the record holds."""

from collections.abc import Mapping
from typing import Any

from genwright.privacy.accountant import mechanism_to_json
from genwright.privacy.budget import Budget

NEIGHBOURS = "tables that differ in one row, there in one and blank in the other; the number of rows is public"
PROTECTED = (
    "Any single row of the table: whether it was in the data, and what it said. Whatever is done with the model or its "
    "samples, and whatever else is known, its presence changes the probability of no outcome by more than the factor "
    "e^epsilon, but for a probability of delta."
)
NOT_PROTECTED = (
    "names and kinds of columns, decimals and formats of times, what was declared public, and the number of rows",
    "what holds of many rows alike, and what follows from it for someone who is known to be of their kind",
    "a person with several rows: k rows are protected with k times epsilon",
    "anything measured on real rows afterwards, such as the scores and pictures of a report",
    "other fits and other releases from the same rows: what they spend adds up",
    "the noise itself, if noise_seed was given and is known; time taken and rounding of the noise were not hidden",
)


def privacy_record(budget: Budget, *, rows: int, seeded: bool) -> dict[str, Any]:
    """What was spent, on what, and what that means; for recipe.json."""
    return {
        "epsilon": round(budget.spent, 6),
        "delta": budget.delta,
        "asked": {"epsilon": budget.epsilon, "delta": budget.delta},
        "rows": rows,
        "neighbours": NEIGHBOURS,
        "accountant": "RDP, Canonne, Kamath & Steinke 2020, proposition 12",
        "mechanisms": [mechanism_to_json(each) for each in budget.mechanisms],
        "noise_seed_given": seeded,
        "protected": PROTECTED,
        "not_protected": list(NOT_PROTECTED),
    }


def privacy_line(record: Mapping[str, Any]) -> str:
    """The guarantee in one line.

    >>> privacy_line({"epsilon": 2.996, "delta": 1.1e-5})
    '(ε, δ)-differentially private with ε = 2.996 and δ = 1.1e-05'
    """
    return f"(ε, δ)-differentially private with ε = {record['epsilon']:.4g} and δ = {record['delta']:.2g}"


def privacy_lines(record: Mapping[str, Any]) -> tuple[str, ...]:
    """The guarantee and what it leaves out, in three lines."""
    return (
        privacy_line(record),
        f"protected: any one row, among {record['neighbours']}",
        f"not protected: {'; '.join(record['not_protected'])}",
    )


def privacy_note(record: Mapping[str, Any]) -> str:
    """What to say beside scores of a private fit."""
    return (
        f"the fit was {privacy_line(record)}; scores are made from real rows and not covered by that, and where these "
        "are the rows that were fitted to, none were held out"
    )


def privacy_text(record: Mapping[str, Any]) -> str:
    """The guarantee, what it covers, what it does not, and how it was spent; in Markdown."""
    spent = [f"- {each['what']}: {_mechanism(each)}" for each in record["mechanisms"]]
    seeded = ["**The noise was drawn from a given seed: whoever knows it has no noise to face.**", ""]
    return "\n".join(
        [
            *(seeded if record["noise_seed_given"] else []),
            f"This model is {privacy_line(record)} with respect to {record['neighbours']}.",
            "",
            f"**Protected.** {record['protected']}",
            "",
            "**Not protected:**",
            "",
            *[f"- {each}" for each in record["not_protected"]],
            "",
            f"Spent by {record['accountant']}:",
            "",
            *spent,
        ]
    )


def _mechanism(each: Mapping[str, Any]) -> str:
    match each["kind"]:
        case "Gaussian":
            return f"normal noise of {each['noise']:.4g} times the sensitivity, {each['times']} ×"
        case "SampledGaussian":
            return f"noise of {each['noise']:.4g} × the sensitivity, rows at {each['rate']:.4g}, {each['times']:,} ×"
        case "Exponential":
            return f"exponential mechanism with ε = {each['epsilon']:.4g}, {each['times']} ×"
    return f"threshold that fails with a probability of {each['delta']:.2g}"
