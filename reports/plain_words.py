"""Plain words: what the signals of a rule are, said to somebody who has never met them."""

from collections.abc import Iterator, Sequence
from math import isinf

from policies.catalogue import load_policy
from policies.expression import Expression
from policies.signals import CATALOGUE
from sim.errors import InputError
from sim.mlops.models.profiles import load_training, training_profiles
from sim.study.lives.box import Axis, Grain, Span

_PLAIN = {
    "f1": "how well the model found churners lately (F1; 1 is perfect), on customers whose outcome is known",
    "f1_drop": "how much worse the model finds churners now than when it was accepted (F1 lost)",
    "psi_max": "how far today's customers differ from those whom the model learned from, in what moved most",
    "score_psi": "how far the model's risk scores have moved since it was accepted",
    "null_rate": "the share of empty values in the column with the most",
    "null_rate_rise": "how much larger the share of empty values has become, in the column where it rose most",
    "unseen_rate": "the share of words that the model has never seen, in the column with the most",
    "duplicate_rate": "the share of rows that were delivered twice",
    "age_days": "days since the training of the model that serves was asked for",
    "n_labelled": "how many customers there are whose outcome is known",
    "recall": "the share of churners whom the model finds",
    "precision": "the share of those called churners who do churn",
}


def signal_words(policies: Sequence[str]) -> Iterator[str]:
    """Yield what each signal of some policies means, a sentence each.

    >>> list(signal_words(["age_days > 30", "never"]))
    ['age_days: days since the training of the model that serves was asked for.']
    """
    for name in dict.fromkeys(name for policy in policies for name in _signals(policy)):
        yield f"{name}: {_PLAIN.get(name) or CATALOGUE[name].meaning.replace('`', '')}."


def rule_words(policy: str) -> str:
    """Return when a policy retrains, as its rule says it; its name where it has none.

    >>> rule_words("proposal_without_age"), rule_words("age_days > 30"), rule_words("never")
    ('proposal_without_age, which retrains when f1_drop > 0.05 or psi_max > 0.25 or null_rate > 0.1', \
'retrain when age_days > 30', 'never retrain')
    """
    if policy == "never":
        return "never retrain"
    rule = _rule(policy)
    if rule is None:
        return policy
    return f"retrain when {rule.text}" if rule.text == policy else f"{policy}, which retrains when {rule.text}"


def policy_story(policy: str) -> str:
    """Return what a policy without a rule does, the first sentence of its story; nothing where a rule says it.

    >>> policy_story("expected_value")[:47], policy_story("age_days > 30")
    ('Retrains when the drop of F1, less its bias and', '')
    """
    if ".py:" in policy or _rule(policy) is not None or policy == "never":
        return ""
    try:
        story = " ".join(load_policy(policy).story.split())
    except InputError:
        return ""
    return story[: story.find(". ") + 1] if ". " in story else story


def span_words(axis: Axis, numbers: Span) -> str:
    """Return in plain words which numbers a span of an axis holds.

    >>> from sim.study.lives.box import LINE, Cut
    >>> axis = Axis("a", Grain.REAL, LINE)
    >>> span_words(axis, Span(Cut(0.1, is_after=False), Cut(0.2, is_after=False)))
    'from 0.1 to just below 0.2'
    >>> span_words(axis, LINE), span_words(axis, Span(Cut(0.1, is_after=True), LINE.high))
    ('any number', 'above 0.1')
    >>> span_words(axis, Span(LINE.low, Cut(0.2, is_after=True))), span_words(axis, Span(Cut(2, False), LINE.high))
    ('up to 0.2', 'from 2 on')
    """
    if axis.grain is Grain.WHOLE:
        told = axis.text(numbers)
        return f"from {told}" if " " in told else f"exactly {told}"
    low, high = str(numbers).strip("[]()").split(", ")
    first = low if not numbers.low.is_after else f"just above {low}"
    last = high if numbers.high.is_after else f"just below {high}"
    if isinf(numbers.low.value) and isinf(numbers.high.value):
        return "any number"
    if isinf(numbers.low.value):
        return f"{'up to' if numbers.high.is_after else 'below'} {high}"
    if isinf(numbers.high.value):
        return f"above {low}" if numbers.low.is_after else f"from {low} on"
    return f"exactly {low}" if low == high else f"from {first} to {last}"


def training_words(name: str) -> str:
    """Return what models learn from under a training profile; its name alone where it is somebody's own.

    >>> training_words("newest"), training_words("mine")
    ('newest: the newest month alone: nothing of an old world, and few rows', 'mine')
    """
    if name not in training_profiles():
        return name
    about = load_training(name).description.rstrip(".")
    return f"{name}: {about[0].lower()}{about[1:]}"


def _signals(policy: str) -> Sequence[str]:
    rule = _rule(policy)
    return () if rule is None else rule.signals


def _rule(policy: str) -> Expression | None:
    if ".py:" in policy:  # a report has no code run
        return None
    try:
        asked = load_policy(policy).parameters.get("retrain_when")
        return Expression.parse(str(asked)) if asked else None
    except InputError:
        return None
