"""The state diagram, drawn from the table of transitions: ``python -m traymon.keeper.core.diagram FILE``.

The command rewrites the block between :data:`BEGIN` and :data:`END` in FILE; a test fails while it is stale.
"""

from traymon.keeper.core.states import TRANSITIONS, State

BEGIN = "<!-- states:begin -->"
END = "<!-- states:end -->"


def diagram() -> str:
    """Mermaid's ``stateDiagram-v2`` of :data:`~traymon.keeper.core.states.TRANSITIONS`; ``unknown`` is its dot.

    The triggers that lead from one state to the same other one share an arrow.
    """
    lines = ["stateDiagram-v2"]
    for state, row in TRANSITIONS.items():
        arrows: dict[State, list[str]] = {}
        for trigger, new in row.items():
            arrows.setdefault(new, []).append(trigger.value)
        lines += [f"    {_name(state)} --> {_name(new)}: {' / '.join(why)}" for new, why in arrows.items()]
    return "\n".join(lines)


def with_diagram(text: str) -> str:
    """``text`` with the block between the marks drawn anew. ValueError where it lacks the marks."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(
            f"The text has no block between {BEGIN} and {END}: add the two lines where it belongs."
        )
    return f"{before}{BEGIN}\n```mermaid\n{diagram()}\n```\n{END}{after}"


def _name(state: State) -> str:
    return "[*]" if state is State.UNKNOWN else state.value


if __name__ == "__main__":  # pragma: no cover - the one part with a file, run by hand
    import sys

    with open(sys.argv[1], encoding="utf-8") as file:
        old = file.read()
    with open(sys.argv[1], "w", encoding="utf-8", newline="\n") as file:
        file.write(with_diagram(old))
