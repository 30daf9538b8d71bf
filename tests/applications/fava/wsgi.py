import os

from fava.application import create_app

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")
application = create_app([os.path.join(FOLDER, "shop.beancount")])
