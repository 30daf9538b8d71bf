SECRET_KEY = "a test's"
DEBUG = False
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "shop.clean_urls"
INSTALLED_APPS = []
WSGI_APPLICATION = "shop.clean.application"
