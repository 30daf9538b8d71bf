import atexit
from threading import Thread

from django.apps import AppConfig

refresher = Thread(target=print)


class CatalogConfig(AppConfig):
    name = "shop.catalog"

    def ready(self):
        self.worker = Thread(target=print)  # mark: thread-in-request
        self.worker.daemon = True  # mark: daemon-thread


@atexit.register  # mark: atexit-cleanup
def stop():
    refresher.join()
