# Imports an application in the main interpreter. Reports where it looks for modules afterwards, which modules are loaded,
# which lines of its own code that mention a path or an import have run, and what its framework loads at the first request.
# The audit writes MODULE and lines_run.py above this text.
import importlib


def load_django():
    """Make Django load what it loads at its first request: the URL configurations, middleware, engines and backends that
    the settings and the installed applications name."""
    django = sys.modules.get("django.conf")
    if django is None or not django.settings.configured:
        return
    settings = django.settings

    def resolve(resolver):
        """Import every URL configuration that this one includes."""
        for pattern in resolver.url_patterns:
            if hasattr(pattern, "url_patterns"):
                resolve(pattern)

    def load_templates():
        """Import the loaders and built-in tags of each template engine."""
        for engine in importlib.import_module("django.template").engines.all():
            attempt(getattr, engine.engine, "template_loaders")
            attempt(getattr, engine.engine, "template_builtins")

    from django.utils.module_loading import import_string

    def load_strings(value):
        """Import everything that the strings of a setting name by a dotted path."""
        if isinstance(value, str) and value.count(".") and all(part.isidentifier() for part in value.split(".")):
            attempt(import_string, value)
        elif isinstance(value, dict):
            for each in value.values():
                load_strings(each)
        elif isinstance(value, (list, tuple, set)):
            for each in value:
                load_strings(each)

    def attempt(action, *arguments):
        try:
            return action(*arguments)
        except Exception:
            return None

    for name in ("MIDDLEWARE", "AUTHENTICATION_BACKENDS", "PASSWORD_HASHERS", "TEMPLATES", "CACHES", "STORAGES",
                 "EMAIL_BACKEND", "MESSAGE_STORAGE", "FILE_UPLOAD_HANDLERS", "SESSION_SERIALIZER"):
        load_strings(getattr(settings, name, None))
    for module in (getattr(settings, "SESSION_ENGINE", None), getattr(settings, "ROOT_URLCONF", None)):
        if isinstance(module, str):
            attempt(importlib.import_module, module)
    for database in settings.DATABASES.values():
        engine = database.get("ENGINE")
        if isinstance(engine, str):
            attempt(importlib.import_module, engine + ".base")
    attempt(lambda: resolve(importlib.import_module("django.urls").get_resolver()))
    attempt(load_templates)
    attempt(lambda: list(importlib.import_module("django.core.cache").caches.all()))


sys.settrace(trace)
try:
    importlib.import_module(MODULE)
except BaseException:
    pass  # The trial of the application itself reports the error.
sys.settrace(None)

import sysconfig

paths = sysconfig.get_paths()
library = {os.path.realpath(paths[name]) for name in ("stdlib", "platstdlib")}
library |= {os.path.join(folder, "lib-dynload") for folder in list(library)}
library.add(os.path.join(os.path.dirname(LIBRARY), "python%d%d.zip" % sys.version_info[:2]))
entries = [entry for entry in sys.path if isinstance(entry, str) and os.path.realpath(entry) not in library]
__answers__ = ["path\t" + entry for entry in entries]
# A lazy import may also find modules of the standard library, on every platform.
known = {*sys.modules, *sys.builtin_module_names, *getattr(sys, "stdlib_module_names", ())}
__answers__ += ["module\t" + name for name in sorted(name for name in known if isinstance(name, str))]
__answers__ += executed_lines()
loaded = set(sys.modules)
try:
    load_django()
except BaseException:
    pass  # The trial of the application and the requests report the error.
__answers__ += ["framework\t" + name for name in sorted(set(sys.modules) - loaded)]
