//! Hazards of small pieces of Python: each case next to similar code that must not be reported.

use ruff_python_parser::parse_module;

use super::grouped_hazards::{GroupedHazard, find_variable_hazards};
use crate::app::import_aliases::ImportAliases;
use crate::model::{HazardWeight, RuleId, VariableUse};

fn hazards_of_application(source: &str) -> Vec<GroupedHazard> {
    hazards_of_file(source, true)
}

fn hazards_of_file(source: &str, is_own: bool) -> Vec<GroupedHazard> {
    let parsed = parse_module(source).unwrap();
    let body = &parsed.syntax().body;
    find_variable_hazards(body, &ImportAliases::from_body(body), is_own)
}

/// Returns each hazard as `use name line,line`, the deciding line first.
fn format_hazards(source: &str) -> Vec<String> {
    let line = |at: usize| source[..at].matches('\n').count() + 1;
    let all = hazards_of_application(source).into_iter().map(|row| {
        let lines: Vec<String> = row.places.iter().map(|(at, _)| line(at.to_usize()).to_string()).collect();
        let what = row.used.map_or(row.rule.id(), VariableUse::name);
        format!("{what} {} {}", row.name, lines.join(","))
    });
    all.collect()
}

#[track_caller]
fn assert_hazards(source: &str, expected: &[&str]) {
    assert_eq!(format_hazards(source), expected, "{source}");
}

#[test]
fn state_is_what_calls_leave_and_later_calls_read() {
    for source in [
        "hits = 0\ndef view():\n    global hits\n    hits += 1\n",
        "hits = {}\ndef view(page):\n    hits[page] += 1\n    return hits\n",
        "hits = {}\ndef view(page):\n    hits[page] = hits.get(page, 0) + 1\n",
        "hits = {}\ndef view(page):\n    seen = hits.get(page, 0)\n    hits[page] = seen + 1\n",
        "hits = {}\ndef view(page):\n    seen = hits.get(page, 0)\n    seen += 1\n    hits[page] = seen\n    print(hits)\n",
        "carts = {}\ndef add(user, item):\n    carts[user].append(item)\ndef show(user):\n    return carts[user]\n",
        "carts = {}\ndef add(user, item):\n    carts.setdefault(user, []).append(item)\n",
        "carts = {}\ndef add(user, item):\n    if user not in carts:\n        carts[user] = load(user)\n    return carts[user]\n",
        "queue = []\ndef put(job):\n    queue.append(job)\ndef take():\n    return queue.pop()\n",
        "import queue\njobs = queue.Queue()\ndef put(job):\n    jobs.put(job)\ndef take():\n    return jobs.get()\n",
        "done = set()\ndef once(order):\n    if order in done:\n        return\n    done.add(order)\n    charge(order)\ndef again(order):\n    done.add(order)\n",
        "from flask import request\nlast = {}\ndef view():\n    last['ip'] = request.remote_addr\n    return last\n",
        "class View:\n    def get(self):\n        last['x'] = self.request.path\nlast = {}\ndef show():\n    return last\n",
        "from collections import Counter\nseen = Counter()\ndef view(pages):\n    seen.update(pages)\n",
        "last = {}\ndef view(page):\n    for name, (a, *b) in page.items():\n        last[a] = b\n    return last\n",
        "sizes = {}\ndef view(page):\n    if (size := len(page)) > 3:\n        sizes[size] = 1\n    return sizes\n",
        "rates = {}\ndef view(page):\n    rates[page]: int = page.size\n    return rates\n",
        "waiting = []\ndef put(task):\n    waiting.append(task)\ndef take():\n    return waiting.pop()\n",
        "latest = {}\ndef see(code):\n    if latest:\n        latest[code] += 1\n",
        "memory = {}\ndef installments(order, months):\n    memory[order] = months\n    return memory\n",
        "rates = {}\ndef view(a, b):\n    rates[a], rates[b] = b, a\n    return rates\n",
        "rates = {}\ndef view(pages):\n    rates.update({page: page.size for page in pages})\n    return rates\n",
    ] {
        let rows = hazards_of_application(source);
        assert!(matches!(&rows[..], [row] if row.used == Some(VariableUse::State)), "{source}{rows:#?}");
        assert_eq!((rows[0].weight, rows[0].rule), (HazardWeight::High, RuleId::ProcessWideGlobal));
    }
}

#[test]
fn what_is_filled_once_is_apart() {
    for source in [
        "it = None\ndef get():\n    global it\n    if it is None:\n        it = make()\n    return it\n",
        "it = None\ndef get(path):\n    global it\n    if it is None:\n        it = make(path)\n    return it\n",
        "it = None\ndef get():\n    global it\n    it = it or make()\n    return it\n",
        "def load():\n    global table\n    import table\n",
        "is_done = False\ndef run():\n    global is_done\n    if is_done:\n        return\n    is_done = True\n",
        "cache = {}\ndef get(key):\n    if key not in cache:\n        cache[key] = compile(key)\n    return cache[key]\n",
        "cache = {}\ndef get(key):\n    try:\n        return cache[key]\n    except KeyError:\n        value = cache[key] = compile(key)\n        return value\n",
        "cache = {}\ndef get(key):\n    value = cache.get(key)\n    if value is None:\n        value = compile(key)\n        cache[key] = value\n    return value\n",
        "cache = {}\ndef get(key):\n    if (value := cache.get(key)) is None:\n        value = cache[key] = compile(key)\n    return value\n",
        "cache = {}\ndef get(key):\n    if len(cache) > 99:\n        cache.pop(key, None)\n    if key not in cache:\n        cache[key] = compile(key)\n    return cache[key]\n",
        "prices = {}\ndef get():\n    prices['all'] = load()\n    return prices\n",
        "handlers = {}\ndef handles(name):\n    def keep(function):\n        handlers[name] = function\n        return function\n    return keep\n",
        "plugins = []\ndef register(plugin):\n    plugins.append(plugin)\ndef run():\n    return [each() for each in plugins]\n",
        "plugins = []\ndef fill(names):\n    plugins.extend(names)\nfill(['a'])\ndef run():\n    return plugins\n",
        "models = {}\nclass Meta(type):\n    def __init__(cls, name, bases, body):\n        models[name] = cls\n    def all(cls):\n        return models\n",
        "models = {}\nclass Base:\n    def __init_subclass__(cls, name, **rest):\n        models[name] = cls\ndef all():\n    return models\n",
        "import weakref\nalive = weakref.WeakSet()\ndef keep(it):\n    alive.add(it)\ndef show():\n    return list(alive)\n",
        "import warnings\nsaid = set()\ndef warn(what):\n    if what not in said:\n        said.add(what)\n        warnings.warn(what)\n",
        "active = set()\ndef run(job):\n    active.add(job)\n    try:\n        job()\n    finally:\n        active.remove(job)\ndef all():\n    return active\n",
        "kinds = {}\ndef registerKind(name, kind):\n    kinds[name] = kind\ndef find(name):\n    return kinds[name]\n",
        "patterns_cache = {}\ndef keep(text, found):\n    patterns_cache[text] = found\ndef find(text):\n    return patterns_cache.get(text)\n",
        "class One:\n    it = None\n    def __new__(cls):\n        if cls.it is None:\n            cls.it = object.__new__(cls)\n        return cls.it\n",
    ] {
        let rows = hazards_of_application(source);
        let is_it = |row: &GroupedHazard| {
            row.used == Some(VariableUse::FilledOnce) && row.rule == RuleId::PerInterpreterCache
        };
        assert!(matches!(&rows[..], [row] if is_it(row)), "{source}{rows:#?}");
        assert_eq!(rows[0].weight, HazardWeight::Low);
    }
}

#[test]
fn what_cannot_be_told_is_changed() {
    for source in [
        "mode = None\ndef set_mode(value):\n    global mode\n    mode = value\n",
        "key = None\ndef get():\n    global key\n    if key is None:\n        key = os.urandom(16)\n    return key\nimport os\n",
        "is_on = False\ndef on():\n    global is_on\n    is_on = True\ndef off():\n    global is_on\n    is_on = False\n",
        "done = set()\ndef once(order):\n    if order not in done:\n        done.add(order)\n        charge(order)\n",
        "done = {}\ndef once(order):\n    if not done.get(order):\n        done[order] = True\n        charge(order)\n",
        "log = []\ndef view(page):\n    log.append(page)\n",
        "ticks = []\ndef view():\n    ticks.append(1)\n",
        "cache = {}\ndef get(key):\n    if key not in cache:\n        cache[key] = compile(key)\n    return cache[key]\ndef forget(key):\n    cache.pop(key, None)\n",
    ] {
        let rows = hazards_of_application(source);
        assert!(matches!(&rows[..], [row] if row.used == Some(VariableUse::Changed)), "{source}{rows:#?}");
        assert_eq!((rows[0].weight, rows[0].rule), (HazardWeight::Middle, RuleId::ProcessWideGlobal));
    }
}

#[test]
fn what_a_library_offers_to_set_and_what_is_not_known_of_it_has_low_weight() {
    for (source, in_library) in [
        ("mode = None\ndef set_mode(value):\n    global mode\n    mode = value\n", VariableUse::FilledOnce),
        ("mode = None\ndef switch(value):\n    global mode\n    mode = value\n", VariableUse::Changed),
        (
            "next_id = 0\ndef make():\n    global next_id\n    next_id += 1\n    return next_id\n",
            VariableUse::FilledOnce,
        ),
        (
            "all = {}\nclass It:\n    def __init__(self, name):\n        all[name] = self\ndef find(name):\n    return all[name]\n",
            VariableUse::FilledOnce,
        ),
    ] {
        let (own, library) = (hazards_of_file(source, true), hazards_of_file(source, false));
        assert!(own[0].weight < HazardWeight::Low, "{source}{own:#?}");
        assert_eq!((library[0].used, library[0].weight), (Some(in_library), HazardWeight::Low), "{source}");
    }
    let carts = "carts = {}\ndef fill(user, it):\n    carts[user] = it\ndef show():\n    return carts\n";
    assert_eq!(hazards_of_file(carts, false)[0].weight, HazardWeight::High);
}

#[test]
fn what_is_made_from_itself_counts_only_by_arithmetic() {
    let source = "look = None\ndef decorate():\n    global look\n    look = wrapped(look)\n";
    assert_eq!(hazards_of_application(source)[0].used, Some(VariableUse::FilledOnce));
    let source = "depth = 0\ndef f():\n    global depth\n    kept = depth\n    depth = kept\n";
    assert_eq!(hazards_of_application(source)[0].used, Some(VariableUse::FilledOnce));
    let source = "kinds = {}\ndef f(it):\n    kinds[type(it)] = it\n    return kinds\n";
    assert_eq!(hazards_of_application(source)[0].used, Some(VariableUse::FilledOnce));
}

#[test]
fn names_of_functions_hide_those_of_the_module() {
    for source in [
        "hits = {}\ndef view(hits, page):\n    hits[page] += 1\n",
        "hits = {}\ndef view(page):\n    hits = {}\n    hits[page] = 1\n",
        "hits = {}\ndef view(page):\n    hits: dict = {}\n    hits[page] = 1\n",
        "hits = {}\ndef view(page):\n    for hits in page:\n        hits[0] = page\n",
        "hits = {}\ndef view(page):\n    with page as hits:\n        hits[0] = page\n",
        "hits = {}\ndef view(page):\n    try:\n        page()\n    except Error as hits:\n        hits[0] = page\n",
        "hits = {}\ndef view(page):\n    from shop import hits\n    hits[0] = page\n",
        "hits = {}\ndef view(page):\n    if (hits := page):\n        hits[0] = page\n",
        "hits = {}\ndef view(page):\n    (a, [hits, *b]) = page\n    hits[0] = page\n",
        "hits = {}\ndef view(page):\n    return [hits.update(page) for hits in page]\n",
        "hits = {}\ndef view(page):\n    match page:\n        case [hits, *rest]:\n            hits[0] = page\n",
        "hits = {}\ndef view(page):\n    hits = {}\n    def inner():\n        hits[page] = 1\n    inner()\n",
        "hits = 0\ndef view():\n    hits = 0\n    def inner():\n        nonlocal hits\n        hits += 1\n    inner()\n",
        "hits = {}\nview = lambda hits: hits.update(1)\n",
        "hits = {}\nhits['all'] = 1\nfor page in pages:\n    hits[page] = 1\n",
        "hits = 0\ndef view():\n    global hits\n    return hits\n",
        "class View:\n    hits = {}\n    def __init__(self):\n        self.hits = {}\n    def get(self, page):\n        self.hits[page] = 1\n",
    ] {
        assert_hazards(source, &[]);
    }
}

#[test]
fn a_name_is_the_modules_where_global_says_so_and_past_a_class() {
    assert_hazards(
        "hits = 0\ndef view():\n    hits = 1\n    def inner():\n        global hits\n        hits += 1\n    inner()\n",
        &["state hits 6"],
    );
    assert_hazards(
        "hits = {}\nclass View:\n    hits = 1\n    def get(self, page):\n        hits[page] += 1\n",
        &["state hits 5"],
    );
    assert_hazards("hits = {}\ncount = lambda page: hits.update({page: 1}) or hits\n", &["state hits 2"]);
    assert_hazards("def view():\n    global hits\n    del hits\n", &["filled-once hits 3"]);
}

#[test]
fn attributes_of_classes_are_variables_too() {
    assert_hazards(
        "class Shop:\n    carts = {}\n    @classmethod\n    def add(cls, user, it):\n        cls.carts[user] = it\n    def show(self):\n        return self.carts\n",
        &["state Shop.carts 5"],
    );
    assert_hazards("class Shop:\n    hits = 0\ndef view():\n    Shop.hits += 1\n", &["state Shop.hits 4"]);
    assert_hazards(
        "class Shop:\n    carts = {}\n    def add(self, user, it):\n        self.carts[user] = it\n",
        &["state Shop.carts 4"],
    );
    assert_hazards(
        "class Shop:\n    carts = {}\n    def add(self, user, it):\n        type(self).carts[user] = it\n        self.__class__.carts.pop(user)\n",
        &["state Shop.carts 4,5"],
    );
}

#[test]
fn a_variable_has_one_row_with_the_worst_place_first() {
    let source = "carts = {}\ndef empty():\n    carts.clear()\ndef add(user, it):\n    carts[user] = it\n    del carts[it]\ndef show():\n    return carts\n";
    assert_hazards(source, &["state carts 5,3,6"]);
}

#[test]
fn a_lock_is_told_where_it_guards_what_is_outside() {
    let lock = "import threading, os, subprocess\nlock = threading.Lock()\n";
    let told = |body: &str| format_hazards(&format!("{lock}{body}"));
    assert_eq!(
        told("def f():\n    with lock:\n        open('a', 'w').write('b')\n"),
        ["guards-outside lock 4"]
    );
    assert_eq!(told("def f():\n    with lock:\n        subprocess.run(['a'])\n"), ["guards-outside lock 4"]);
    assert_eq!(
        told(
            "def save():\n    os.replace('a', 'b')\ndef f():\n    with lock:\n        save()\ndef g():\n    lock.acquire()\n    os.remove('a')\n"
        ),
        ["guards-outside lock 6,9"]
    );
    let own = "class Shop:\n    lock = threading.RLock()\n    def save(self):\n        with self.lock:\n            os.replace('a', 'b')\n";
    assert_eq!(told(own), ["guards-outside Shop.lock 6"]);
    for body in [
        "def f():\n    with lock:\n        open('a').read()\n",
        "it = None\ndef f():\n    with lock:\n        return it\n",
        "def f():\n    lock = make()\n    with lock:\n        os.remove('a')\n",
        "def f():\n    os.remove('a')\n    with lock:\n        pass\n",
    ] {
        assert_eq!(told(body), Vec::<String>::new(), "{body}");
    }
}

#[test]
fn changes_of_the_process_are_told_by_what_they_change() {
    assert_hazards(
        "import os\ndef f():\n    old = os.umask(0)\n    os.umask(old)\n",
        &["process-state os.umask 3,4"],
    );
    let weight = |source: &str| {
        let rows = hazards_of_application(source);
        assert_eq!(rows.len(), 1, "{source}{rows:#?}");
        (rows[0].rule, rows[0].name.clone(), rows[0].weight)
    };
    let state = |name: &str, weight| (RuleId::ProcessState, name.to_owned(), weight);
    assert_eq!(weight("import os\nos.umask(0)\n"), state("os.umask", HazardWeight::Middle));
    assert_eq!(weight("import os\ndef setup():\n    os.umask(0)\n"), state("os.umask", HazardWeight::Middle));
    assert_eq!(
        weight("from contextlib import chdir as cd\ndef f():\n    with cd('/'):\n        pass\n"),
        state("contextlib.chdir", HazardWeight::High)
    );
    assert_eq!(
        weight("import locale\ndef f():\n    locale.setlocale(locale.LC_ALL, '')\n"),
        state("locale.setlocale", HazardWeight::High)
    );
    let variable = |name: &str, weight| (RuleId::EnvironmentVariable, name.to_owned(), weight);
    for change in [
        "os.environ['TZ'] = 'UTC'",
        "os.environ['TZ'] += 'UTC'",
        "del os.environ['TZ']",
        "os.environ.pop('TZ', None)",
        "os.environ.setdefault('TZ', 'UTC')",
        "os.putenv('TZ', 'UTC')",
        "os.unsetenv('TZ')",
        "os.environb[b'TZ'] = b'UTC'",
        "a, os.environ['TZ'] = 1, 'UTC'",
    ] {
        assert_eq!(
            weight(&format!("import os\ndef f():\n    {change}\n")),
            variable("TZ", HazardWeight::High),
            "{change}"
        );
        assert_eq!(weight(&format!("import os\n{change}\n")), variable("TZ", HazardWeight::Low), "{change}");
    }
    assert_eq!(
        weight("from os import environ as env\ndef f():\n    env.update(TZ='UTC')\n"),
        variable("os.environ.update", HazardWeight::High)
    );
    assert_eq!(
        weight("import os\ndef f():\n    os.environ |= {'TZ': 'UTC'}\n"),
        variable("os.environ |= ...", HazardWeight::High)
    );
    for source in [
        "import locale\ndef f():\n    return locale.setlocale(locale.LC_ALL)\n",
        "import locale\ndef f():\n    return locale.setlocale(locale.LC_ALL, None)\n",
        "from os import environ\ndef app(environ, start):\n    environ['TZ'] = 'UTC'\n",
        "import os\ndef f():\n    env = dict(os.environ)\n    env['TZ'] = 'UTC'\n    return os.environ.get('TZ')\n",
        "import socket, sys\ndef f():\n    socket.setdefaulttimeout(3)\n    sys.setswitchinterval(1)\n",
        "import os, sys\nif sys.platform == 'win32':\n    os.chdir('C:')\n",
        "def f(os):\n    os.chdir('/')\n",
    ] {
        assert_hazards(source, &[]);
    }
}
