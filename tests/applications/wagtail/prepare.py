import os
import sys

import django
from django.core.management import call_command

sys.path.insert(0, os.getcwd())
os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
django.setup()
call_command("migrate", verbosity=0)

from django.contrib.auth.models import User
from django.core.files.images import ImageFile
from wagtail.images.models import Image

User.objects.create_superuser("anna", "anna@shop.test", "secret")
from PIL import Image as Picture

Picture.new("RGB", (400, 300), "green").save("data/green.png")
with open("data/green.png", "rb") as file:
    Image.objects.create(title="Green", file=ImageFile(file, name="green.png"))
