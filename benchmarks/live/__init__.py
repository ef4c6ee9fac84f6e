"""LiveViews under load, against the published ``djust`` on the same views."""
