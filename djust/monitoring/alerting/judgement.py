"""What a rule is, and what it says of a server or of the store."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from djust.models import Alert
from djust.monitoring.reading import Reading

WARNING = Alert.Severity.WARNING.value
CRITICAL = Alert.Severity.CRITICAL.value
#: Of what is counted from check to check, so many times as much is told of again.
NEWS_FACTOR = 10
_RANKS = {"": 0, WARNING: 1, CRITICAL: 2}


def rank(severity: str | None) -> int:
    """Return how severe a severity is, to compare; none is the least."""
    return _RANKS[severity or ""]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a rule found out about one server, or about the store where ``node`` is empty."""

    node: str = ""
    #: How severe it is, or ``None`` where the condition does not hold.
    severity: str | None = None
    #: Nobody knows whether the condition holds.
    unknown: bool = False
    #: The condition does not hold, and the figure is far enough from the threshold to count as calm.
    calm: bool = False
    #: The figure, and what it was compared with; ``None`` where there is none.
    value: float | None = None
    threshold: float | None = None
    summary: str = ""
    advice: str = ""
    #: Seconds for which it has to hold, where those of the rule do not fit.
    for_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A condition that people are told of, with its thresholds."""

    name: str
    description: str
    #: What the thresholds are measured in, in words; empty: the rule has none.
    unit: str
    find: Callable[[Rule, Reading], Iterable[Finding]]
    #: The figure from which on it is a warning, and critical; ``None``: it never is.
    warning: float | None = None
    critical: float | None = None
    #: The severities of a rule that judges facts instead of a figure.
    fixed: tuple[str, ...] = ()
    #: How far on the good side of the threshold the figure has to be before it counts as calm.
    recover: float = 0
    #: The smaller the figure, the worse.
    lower_is_worse: bool = False
    #: The figure counts what happened since the check before, so a far larger one is news: by so much at least, and
    #: ``NEWS_FACTOR`` times what people were told of. ``None``: only the severity counts.
    news_from: float | None = None
    #: Seconds for which the condition has to hold before the alert fires.
    for_seconds: float = 0
    #: Seconds of calm after which the alert is over.
    clear_seconds: float = 600
    enabled: bool = True

    @property
    def severities(self) -> tuple[str, ...]:
        """The severities that it knows, the least severe first."""
        levels = ((WARNING, self.warning), (CRITICAL, self.critical))
        return self.fixed or tuple(severity for severity, threshold in levels if threshold is not None)

    def beyond(self, value: float, threshold: float) -> bool:
        """Return whether a figure has reached a threshold."""
        return value <= threshold if self.lower_is_worse else value >= threshold

    def compare(
        self, value: float, *, warning: float | None, critical: float | None
    ) -> tuple[str | None, float | None]:
        """Return the severity of a figure, and the threshold that it reached or, short of all, would reach first."""
        if critical is not None and self.beyond(value, critical):
            return CRITICAL, critical
        if warning is not None and self.beyond(value, warning):
            return WARNING, warning
        return None, critical if warning is None else warning

    def is_calm(self, value: float, threshold: float | None) -> bool:
        """Return whether a figure is so far from the threshold that it counts as calm."""
        if threshold is None:
            return True
        line = threshold + self.recover if self.lower_is_worse else threshold - self.recover
        return not self.beyond(value, line)

    def weigh(
        self,
        value: float,
        *,
        node: str = "",
        summary: str = "",
        advice: str = "",
        warning: float | None = None,
        critical: float | None = None,
        for_seconds: float | None = None,
    ) -> Finding:
        """Return what a figure means by the given thresholds."""
        severity, threshold = self.compare(value, warning=warning, critical=critical)
        return Finding(
            node=node,
            severity=severity,
            calm=severity is None and self.is_calm(value, threshold),
            value=value,
            threshold=threshold,
            summary=summary,
            advice=advice,
            for_seconds=for_seconds,
        )


def calm(node: str = "", summary: str = "") -> Finding:
    """Return that there is nothing to tell, or that the rule does not apply."""
    return Finding(node=node, calm=True, summary=summary)


def unknown(node: str = "", summary: str = "") -> Finding:
    """Return that the figures are missing."""
    return Finding(node=node, unknown=True, summary=summary)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What the life of an alert goes by: a finding with the times of its rule."""

    rule: str
    #: Host and port; empty: the store, or its maintenance.
    node: str
    #: ``None``: not known, so that an alert goes stale and not away.
    holds: bool | None
    severity: str | None
    #: It does not hold, by enough of a margin to count as calm.
    calm: bool
    value: float | None
    threshold: float | None
    #: One line with figures, and what to do about it.
    summary: str
    advice: str
    for_seconds: float
    clear_seconds: float
    lower_is_worse: bool = False
    #: See ``Rule``.
    news_from: float | None = None

    @classmethod
    def of(cls, rule: Rule, finding: Finding) -> Judgement:
        """Return the judgement that a finding of a rule amounts to."""
        return cls(
            rule=rule.name,
            node=finding.node,
            holds=None if finding.unknown else finding.severity is not None,
            severity=finding.severity,
            calm=finding.calm,
            value=finding.value,
            threshold=finding.threshold,
            summary=finding.summary,
            advice=finding.advice,
            for_seconds=rule.for_seconds if finding.for_seconds is None else finding.for_seconds,
            clear_seconds=rule.clear_seconds,
            lower_is_worse=rule.lower_is_worse,
            news_from=rule.news_from,
        )

    def is_news(self, told: float | None) -> bool:
        """Return whether the figure is far worse than the one that people were told of."""
        if self.news_from is None or self.value is None or told is None:
            return False
        return self.value >= max(NEWS_FACTOR * told, told + self.news_from)
