"""The pages of the packing lists. The three of the packing itself are LiveViews."""

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from packing.pages.plan import PlanPage
from packing.pages.start import StartPage
from packing.pages.trip import TripPage
from packing.views import SignUp

app_name = "packing"

urlpatterns = [
    path("", StartPage.as_view(), name="start"),
    path("plan/", PlanPage.as_view(), name="plan"),
    path("trips/<str:slug>/", TripPage.as_view(), name="trip"),
    path("accounts/sign-in/", LoginView.as_view(template_name="packing/sign_in.html"), name="sign_in"),
    path("accounts/sign-up/", SignUp.as_view(), name="sign_up"),
    path("accounts/sign-out/", LogoutView.as_view(), name="sign_out"),
]
