import os

import pypiserver

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")
application = pypiserver.app(roots=[FOLDER])
