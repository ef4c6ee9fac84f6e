"""The rules, with their thresholds, and what they make of a reading. No rule asks a server or a clock.

To add one, write its function beside its kind and give it a line in ``RULES``.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from djust.conf import Config
from djust.monitoring.alerting import server_rules, service_rules
from djust.monitoring.alerting.judgement import CRITICAL, WARNING, Finding, Judgement, Rule, rank
from djust.monitoring.alerting.rule_settings import apply
from djust.monitoring.reading import Reading

#: The rule that mutes the others: of a store that does not answer nothing is known.
UNREACHABLE = "store_unreachable"

#: The rules by name, as they are without ``ALERT_RULES``.
RULES: Mapping[str, Rule] = MappingProxyType(
    {
        rule.name: rule
        for rule in (
            Rule(
                name=UNREACHABLE,
                description="The store does not answer. Until it does, the other rules say nothing.",
                unit="",
                find=service_rules.store_unreachable,
                fixed=(CRITICAL,),
                for_seconds=60,
            ),
            Rule(
                name="sessions_lost",
                description="Live sessions are gone before their time.",
                unit="sessions in a check",
                find=server_rules.sessions_lost,
                critical=1,
                news_from=100,
            ),
            Rule(
                name="index_lost",
                description="A server evicted a part of the index of sessions.",
                unit="shards",
                find=server_rules.index_lost,
                critical=1,
                news_from=10,
            ),
            Rule(
                name="evictions",
                description="A server dropped keys to make room.",
                unit="keys in a check",
                find=server_rules.evictions,
                warning=1,
            ),
            Rule(
                name="memory_high",
                description="A server is nearly full. With a volatile-* policy only the critical threshold counts, as "
                "a warning; with allkeys-* being full is normal, and evictions and losses tell.",
                unit="share of the limit",
                find=server_rules.memory_high,
                warning=0.8,
                critical=0.9,
                recover=0.1,
                for_seconds=120,
            ),
            Rule(
                name="time_to_full",
                description="At the present pace a server is full soon. With allkeys-* that is normal, and no alert.",
                unit="seconds",
                find=server_rules.time_to_full,
                warning=4 * 3600,
                critical=3600,
                recover=1800,
                lower_is_worse=True,
                for_seconds=600,
            ),
            Rule(
                name="fragmentation",
                description="A server holds much more memory than it uses: 10 MB at least.",
                unit="resident over used memory",
                find=server_rules.fragmentation,
                warning=1.4,
                recover=0.1,
                for_seconds=600,
            ),
            Rule(
                name="broker_at_risk",
                description="The server of the Celery broker may evict the queue; critical when it keeps sessions as "
                "well and is evicting.",
                unit="",
                find=server_rules.broker_at_risk,
                fixed=(WARNING, CRITICAL),
            ),
            # The next three wait a little: after an outage or a deployment the first check may come before the first
            # sample and the first clean-up.
            Rule(
                name="sampling_stopped",
                description="No sample was taken for this long, though the schedule asked for three.",
                unit="seconds",
                find=service_rules.sampling_stopped,
                warning=300,
                for_seconds=120,
            ),
            Rule(
                name="cleanup_stopped",
                description="No clean-up ended well for this long, though the schedule asked for three.",
                unit="seconds",
                find=service_rules.cleanup_stopped,
                critical=600,
                for_seconds=120,
            ),
            Rule(
                name="cleanup_behind",
                description="Expired sessions have been waiting for a clean-up for this long.",
                unit="seconds",
                find=service_rules.cleanup_behind,
                warning=600,
                recover=300,
                for_seconds=120,
            ),
        )
    }
)


def configured(config: Config) -> dict[str, Rule]:
    """Return the rules by name as ``ALERT_RULES`` has them, those that are turned off included.

    Raises:
        ImproperlyConfigured: It names a rule or a key that does not exist, or has a value that cannot be used.
    """
    return apply(config.alert_rules, RULES)


def judge(reading: Reading, config: Config) -> list[Judgement]:
    """Return what every enabled rule makes of a reading, one for each rule and server that it is about.

    Raises:
        ImproperlyConfigured: See ``configured``.
    """
    return [judgement for rule in configured(config).values() if rule.enabled for judgement in _judge(rule, reading)]


def _judge(rule: Rule, reading: Reading) -> list[Judgement]:
    findings: dict[str, Finding] = {}
    for finding in rule.find(rule, reading):
        if finding.node not in findings or rank(finding.severity) > rank(findings[finding.node].severity):
            findings[finding.node] = finding
    if reading.unreachable is not None and rule.name != UNREACHABLE:
        findings = {node: Finding(node=node, unknown=True) for node in findings}
    return [Judgement.of(rule, finding) for finding in findings.values()]
