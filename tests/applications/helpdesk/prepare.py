import os
import sys

import django
from django.core.management import call_command

sys.path.insert(0, os.getcwd())
os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
django.setup()
call_command("migrate", verbosity=0)

from django.contrib.auth.models import User
from helpdesk.models import Queue

User.objects.create_superuser("anna", "anna@shop.test", "secret")
Queue.objects.create(title="Shop", slug="shop", allow_public_submission=True)
