"""What repairs rest on, and what findings call into question."""

from enum import StrEnum


class Evidence(StrEnum):
    """One thing about an instance that a repair may rest on, or that a finding calls into question.

    The value is how messages and the runbook name it. A repair is safe only where no other finding of the instances
    that it touches calls into question what it rests on.
    """

    history = "the history"
    """The events: that none is missing and none is too many, that the engine can read them, and that they are of the
    executions which the instance has had."""

    chain = "the chain of executions"
    """Which executions the instance has had: that each has its row and its events, and that one which has continued as
    new is followed by the next one, or by the message that begins it."""

    executions = "the rows of executions"
    """What the acks have written beside the events: status, output and completed_at."""

    instance = "the row of instances"
    """That it is there, and says which execution is the current one."""

    keys = "the keys"
    """What kv_store and kv_delta hold: the engine hands it to each turn."""

    queue = "the messages"
    """Whom the messages in both queues are for, what they say, and from when."""

    turn = "the next turn"
    """That the engine can take one: it finds a history that it can read and replay, and no message that is nobody's,
    that nothing has asked for, or that is about to be given up. On PostgreSQL one history that cannot be read halts the
    whole store as soon as a message for its instance is due, on SQLite one message that is nobody's."""

    store = "the store"
    """Its tables and all else that statements rely on: triggers, functions, indexes."""


EVERYTHING = frozenset(Evidence)
"""What a check calls into question that does not say, and what a repair rests on that does not say."""


def in_words(evidence: frozenset[Evidence]) -> str:
    """Return the evidence as a list in a sentence, in the order of declaration."""
    words = [one.value for one in Evidence if one in evidence]
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)
