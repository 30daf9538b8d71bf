import os

from radicale import Application
from radicale.config import load

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")
configuration = load()
configuration.update(
    {"auth": {"type": "none"}, "storage": {"filesystem_folder": FOLDER}, "logging": {"level": "error"}}, "the test"
)
application = Application(configuration)
