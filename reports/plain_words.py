"""Plain words: what the signals of a rule are, said to somebody who has never met them."""

from collections.abc import Iterator, Sequence

from policies.catalogue import load_policy
from policies.expression import Expression
from policies.signals import CATALOGUE
from sim.errors import InputError
from sim.mlops.models.profiles import load_training, training_profiles

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
