import os

import klaus

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")
application = klaus.make_app([os.path.join(FOLDER, "shop")], "the test's repositories")
