"""Where everything is: the packing list at the top, the health answers below ``djust/``, the admin."""

from django.contrib import admin
from django.urls import include, path

admin.site.site_header = "Packing list"
admin.site.site_title = "Packing list"

urlpatterns = [
    path("admin/", admin.site.urls),
    path("djust/", include("djust.urls")),
    path("", include("packing.urls")),
]
