"""Pages that are no LiveViews: plain Django."""

from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.forms import UserCreationForm
from django.http import HttpResponse
from django.urls import reverse_lazy
from django.views.generic import FormView


class SignUp(FormView):
    """Make an account, and sign in."""

    template_name = "packing/sign_up.html"
    form_class = UserCreationForm
    success_url = reverse_lazy("packing:start")

    def form_valid(self, form: UserCreationForm) -> HttpResponse:
        """Sign the new user in."""
        login(self.request, form.save())
        messages.success(self.request, "Welcome! Your trips are kept with your account from here on.")
        return super().form_valid(form)
