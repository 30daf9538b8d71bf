"""The same project with nothing but its settings."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.clean_settings")
application = get_wsgi_application()
