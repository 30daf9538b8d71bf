SECRET_KEY = "a test's"
DEBUG = False
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "shop.urls"
INSTALLED_APPS = ["shop.catalog"]
WSGI_APPLICATION = "shop.wsgi.application"
