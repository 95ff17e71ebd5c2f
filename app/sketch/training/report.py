"""Prints the figures of a measurement."""

from typing import Any


def print_measured(measured: dict[str, Any]) -> None:
    """Print the figures of `measure`."""
    six, others = measured["animals"], measured["others"]
    if six["drawings"]:
        each = ", ".join(f"{word} {100 * value:.0f}" for word, value in six["accuracy"].items())
        print(f"{six['drawings']} drawings of the six: {100 * six['balanced_accuracy']:.1f} % right, balanced ({each})")
        print(
            f"  answered {100 * six['answered']:.1f} %: {100 * six['answered_right']:.1f} % right, "
            f"{100 * six['answered_wrong']:.1f} % wrong; the rest not sure"
        )
    if others["drawings"]:
        print(
            f"{others['drawings']} drawings of {others['words']} other words: "
            f"{100 * others['confident_wrong']:.1f} % confidently wrong {others['most_mistaken']}"
        )
