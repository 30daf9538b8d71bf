import os

from django.http import HttpResponse, JsonResponse

cache = {}


def prices(request):
    import pandas as pd  # mark: lazy

    cache.setdefault(request.path, pd.__name__)  # mark: process-wide-global
    return JsonResponse(cache)


def report(request):
    if not os.fork():  # mark: fork-or-exec
        os._exit(0)
    return HttpResponse("on its way")
