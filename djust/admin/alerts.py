"""Alerts in Django admin: the list, one alert with its messages, and the buttons."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseNotFound
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from djust.admin.actions import go_back, log_action, only_post
from djust.admin.figures import EMPTY, length, number, percent
from djust.admin.readonly import ReadOnly
from djust.admin.times import ago, exact, exact_or_dash
from djust.models import Alert
from djust.monitoring.alerting import alerts
from djust.monitoring.alerting.rules import RULES

ACKNOWLEDGE_PERMISSION = "djust.acknowledge_alert"
SILENCE_PERMISSION = "djust.silence_alert"

#: How long an alert can be silenced for.
SILENCE_HOURS = (1, 8, 24)

#: A sign beside each state and severity, for those who do not tell colours apart.
_SIGNS: dict[str, str] = {
    Alert.State.PENDING: "…",
    Alert.State.FIRING: "!",
    Alert.State.ACKNOWLEDGED: "◐",
    Alert.State.SILENCED: "◌",
    Alert.State.RESOLVED: "✓",
    Alert.Severity.WARNING: "▲",
    Alert.Severity.CRITICAL: "✗",
}
_OPEN = (Alert.State.FIRING, Alert.State.ACKNOWLEDGED, Alert.State.SILENCED)

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Alert]
else:
    _ModelAdmin = admin.ModelAdmin


def badge(name: str, label: Any) -> SafeString:
    """Return a state or a severity with its sign."""
    return format_html('<span class="djust-outcome djust-{}">{} {}</span>', name, _SIGNS.get(name, "?"), label)


def title_of(alert: Alert) -> str:
    """Return the name of the rule as words."""
    return alert.rule.replace("_", " ").capitalize()


def can_acknowledge(request: HttpRequest, alert: Alert) -> bool:
    """Return whether there is something to acknowledge, and this person may."""
    return alert.state == Alert.State.FIRING and request.user.has_perm(ACKNOWLEDGE_PERMISSION)


def can_silence(request: HttpRequest, alert: Alert) -> bool:
    """Return whether the alert can be silenced or its silence be ended, and this person may."""
    return alert.state in _OPEN and request.user.has_perm(SILENCE_PERMISSION)


@admin.register(Alert)
class AlertAdmin(ReadOnly, _ModelAdmin):
    """Shows alerts. The check moves them from state to state; people acknowledge and silence them."""

    list_display = ("what", "current", "how_severe", "server", "since", "lasted", "peak_figure")
    list_filter = ("state", "severity", "rule", "pending_since")
    search_fields = ("rule", "node", "summary")
    list_per_page = 50
    show_full_result_count = False
    change_form_template = "admin/djust/alert/change_form.html"
    fields = (
        "current",
        "how_severe",
        "server",
        "summary",
        "advice",
        "meaning",
        "latest",
        "compared_with",
        "worst",
        "began",
        "fired",
        "resolved",
        "lasted",
        "acknowledged",
        "silenced",
        "told",
    )
    readonly_fields = fields

    class Media:
        css = {"all": ("djust/admin.css", "djust/overview.css")}

    @admin.display(description=_("alert"), ordering="rule")
    def what(self, alert: Alert) -> str:
        """Return the rule in words."""
        return title_of(alert)

    @admin.display(description=_("state"), ordering="state")
    def current(self, alert: Alert) -> SafeString:
        """Return the state, and whether nobody knows any more."""
        shown = badge(alert.state, alert.get_state_display())
        if alert.stale and alert.state != Alert.State.RESOLVED:
            return format_html('{} <span class="djust-why">{}</span>', shown, _("no figures"))
        return shown

    @admin.display(description=_("severity"), ordering="severity")
    def how_severe(self, alert: Alert) -> SafeString:
        """Return the severity."""
        return badge(alert.severity, alert.get_severity_display())

    @admin.display(description=_("server"), ordering="node")
    def server(self, alert: Alert) -> str:
        """Return the server, or a dash for the store as a whole."""
        return alert.node or EMPTY

    @admin.display(description=_("since"), ordering="pending_since")
    def since(self, alert: Alert) -> SafeString:
        """Return how long ago it began."""
        return ago(alert.pending_since, timezone.now())

    @admin.display(description=_("began"), ordering="pending_since")
    def began(self, alert: Alert) -> str:
        """Return when it began."""
        return exact(alert.pending_since)

    @admin.display(description=_("fired"), ordering="fired_at")
    def fired(self, alert: Alert) -> str:
        """Return when it fired, or a dash if it has not."""
        return exact_or_dash(alert.fired_at)

    @admin.display(description=_("resolved"), ordering="resolved_at")
    def resolved(self, alert: Alert) -> str:
        """Return when it was over, or a dash if it is not."""
        return exact_or_dash(alert.resolved_at)

    @admin.display(description=_("duration"))
    def lasted(self, alert: Alert) -> str:
        """Return how long it has lasted."""
        seconds = ((alert.resolved_at or timezone.now()) - alert.pending_since).total_seconds()
        return length(seconds if seconds < 60 else seconds // 60 * 60)

    @admin.display(description=_("peak"), ordering="peak")
    def peak_figure(self, alert: Alert) -> str:
        """Return the worst figure; what it counts stands on the page of the alert."""
        return _figure(alert, alert.peak, with_unit=False)

    @admin.display(description=_("peak"))
    def worst(self, alert: Alert) -> str:
        """Return the worst figure."""
        return _figure(alert, alert.peak)

    @admin.display(description=_("figure now"))
    def latest(self, alert: Alert) -> str:
        """Return the figure that was compared last."""
        return _figure(alert, alert.value)

    @admin.display(description=_("compared with"))
    def compared_with(self, alert: Alert) -> str:
        """Return the threshold."""
        return _figure(alert, alert.threshold)

    @admin.display(description=_("rule"))
    def meaning(self, alert: Alert) -> str:
        """Return what the rule looks for."""
        return RULES[alert.rule].description if alert.rule in RULES else alert.rule

    @admin.display(description=_("acknowledged"))
    def acknowledged(self, alert: Alert) -> str:
        """Return when and by whom."""
        return f"{exact(alert.acknowledged_at)}, {alert.acknowledged_by}" if alert.acknowledged_at else EMPTY

    @admin.display(description=_("silenced until"))
    def silenced(self, alert: Alert) -> str:
        """Return until when and by whom."""
        return f"{exact(alert.silenced_until)}, {alert.silenced_by}" if alert.silenced_until else EMPTY

    @admin.display(description=_("messages"))
    def told(self, alert: Alert) -> str:
        """Return the messages about it, and what became of each."""
        told = [
            {
                "message": message,
                "written": exact(message.created_at),
                "sent": exact(message.sent_at) if message.sent_at else "",
                "next": exact(message.next_attempt_at) if message.next_attempt_at else "",
            }
            for message in alert.messages.all()
        ]
        return render_to_string("admin/djust/alert/messages.html", {"messages": told}) if told else EMPTY

    def get_urls(self) -> list[URLPattern]:
        """Add the addresses of the buttons."""
        buttons: tuple[tuple[str, Callable[..., HttpResponse]], ...] = (
            ("acknowledge", self.acknowledge_view),
            ("silence", self.silence_view),
            ("unsilence", self.unsilence_view),
        )
        own = [
            path(f"<int:pk>/{name}/", self.admin_site.admin_view(view), name=f"djust_alert_{name}")
            for name, view in buttons
        ]
        return [*own, *super().get_urls()]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show an alert, with the buttons that this person may press."""
        alert = self.get_object(request, object_id)
        shown: dict[str, Any] = {}
        if alert is not None:
            name = f"{title_of(alert)}, {alert.node}" if alert.node else title_of(alert)
            shown = {"djust_alert": open_alert(request, alert), "subtitle": name}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **shown})

    @only_post(ACKNOWLEDGE_PERMISSION)
    def acknowledge_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Note that somebody takes care of an alert."""
        return self._act(request, pk, str(_("Acknowledged")), alerts.acknowledge)

    @only_post(SILENCE_PERMISSION)
    def silence_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Let an alert be quiet for some hours."""
        chosen = request.POST.get("hours", "")
        if chosen not in {str(hours) for hours in SILENCE_HOURS}:
            return HttpResponse(str(_("Choose for how long.")), status=400)
        until = timezone.now() + timedelta(hours=int(chosen))
        done = str(_("Silenced for %(hours)s h") % {"hours": chosen})
        return self._act(request, pk, done, lambda alert, by: alerts.silence(alert, until, by))

    @only_post(SILENCE_PERMISSION)
    def unsilence_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Let a silenced alert be heard again."""
        return self._act(request, pk, str(_("No longer silenced")), alerts.unsilence)

    def _act(self, request: HttpRequest, pk: int, done: str, action: Callable[[Alert, str], bool]) -> HttpResponse:
        alert = Alert.objects.filter(pk=pk).first()
        if alert is None:
            return HttpResponseNotFound()
        if action(alert, request.user.get_username()):
            text = f"{done}: {title_of(alert)}"
            log_action(request, alert, text)
            self.message_user(request, text, messages.SUCCESS)
        else:
            values = {"alert": title_of(alert), "state": alert.get_state_display()}
            self.message_user(request, _("%(alert)s is %(state)s: nothing was changed.") % values, messages.WARNING)
        return go_back(request, reverse("admin:djust_alert_change", args=[pk], current_app=self.admin_site.name))


def open_alert(request: HttpRequest, alert: Alert) -> dict[str, Any]:
    """Return what a page shows of an open alert: the alert, in words, and the buttons of this person."""
    return {
        "alert": alert,
        "title": title_of(alert),
        "severity": badge(alert.severity, alert.get_severity_display()),
        "state": badge(alert.state, alert.get_state_display()),
        "since": ago(alert.pending_since, timezone.now()),
        "silenced_until": exact(alert.silenced_until) if alert.silenced_until else "",
        "can_acknowledge": can_acknowledge(request, alert),
        "can_silence": can_silence(request, alert),
        "silence_hours": SILENCE_HOURS,
    }


def _figure(alert: Alert, value: float | None, *, with_unit: bool = True) -> str:
    unit = RULES[alert.rule].unit if alert.rule in RULES else ""
    if value is None or unit.startswith("share"):
        return percent(value)
    if unit == "seconds":
        return length(value)
    figure = number(int(value)) if value == int(value) else number_format(value, 2)
    return f"{figure} ({unit})" if unit and with_unit else figure
