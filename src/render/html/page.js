"use strict";
// Optional features of the page: sort, search, filter, open all, follow links to rows, change the theme.
// Without JavaScript the table is the same, and its rows can still be opened.
(() => {
  const at = (id) => document.getElementById(`page:${id}`);
  const table = at("distributions");
  const head = table.tHead;
  const root = document.documentElement;
  const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

  const rows = [...table.tBodies].map((body, place) => {
    const cells = body.rows[0].cells;
    const modes = new Map();
    const ranks = new Map();
    for (const cell of body.rows[0].querySelectorAll("[data-mode]")) {
      modes.set(cell.dataset.mode, cell.dataset.verdict);
      ranks.set(cell.dataset.mode, Number(cell.dataset.rank));
    }
    const details = body.querySelector("details");
    return {
      body, place, details, modes, ranks,
      panel: details.querySelector(".panel"),
      kept: null,
      summary: details.querySelector("summary"),
      name: cells[0].textContent.trim(),
      version: cells[1].textContent.trim(),
      modules: Number(cells[2].textContent) || 0,
      declaration: cells[3].textContent.trim(),
      reason: body.querySelector(".reason").textContent.trim(),
      text: null,
    };
  });
  const shown = () => rows.filter((row) => !row.body.hidden);

  // On a large page the contents of closed rows are kept out of the document, so that sorting is fast.
  // On a small page they stay in it, so that the browser's own search finds them.
  const isLarge = document.querySelectorAll(".subject").length > 500;
  const fill = (row) => {
    if (row.kept && row.details.open) {
      row.panel.append(row.kept);
      row.kept = null;
    } else if (isLarge && !row.kept && !row.details.open) {
      row.kept = document.createDocumentFragment();
      row.kept.append(...row.panel.childNodes);
    }
  };
  for (const row of rows) fill(row);

  // Sort: by a column, then by name. Verdicts worst first; counts largest first; empty text last.
  const state = { by: null, down: false };
  const emptyLast = (a, b) => (a === "") - (b === "");
  const compare = (by) => {
    if (by === "name" || by === "version" || by === "declaration" || by === "reason") {
      return (a, b) => emptyLast(a[by], b[by]) || collator.compare(a[by], b[by]);
    }
    if (by === "modules") return (a, b) => b.modules - a.modules;
    return (a, b) => a.ranks.get(by) - b.ranks.get(by);
  };
  const sort = (by, down) => {
    state.by = by;
    state.down = down;
    if (by) {
      const order = compare(by);
      const sign = down ? -1 : 1;
      rows.sort((a, b) => sign * order(a, b) || collator.compare(a.name, b.name) || a.place - b.place);
    } else {
      rows.sort((a, b) => a.place - b.place);
    }
    const active = document.activeElement;
    const sorted = document.createDocumentFragment();
    sorted.append(...rows.map((row) => row.body));
    table.append(sorted);
    if (table.contains(active)) active.focus({ preventScroll: true });
    for (const cell of head.querySelectorAll("th")) {
      if (cell.dataset.sort === by) cell.setAttribute("aria-sort", down ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
    }
    picker.value = by ?? "";
    tell(by ? `sorted by ${by}${down ? ", reversed" : ""}` : "as audited");
  };
  const picker = at("sort");
  for (const cell of head.querySelectorAll("th")) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...cell.childNodes);
    cell.append(button);
    const by = cell.dataset.sort;
    button.addEventListener("click", () => sort(by, state.by === by && !state.down));
    picker.append(new Option(button.textContent.trim(), by));
  }
  picker.addEventListener("change", () => sort(picker.value || null, false));

  // Search and filters. The searched text of a row is its own text and the names of its modules.
  const search = at("search");
  const mode = at("mode");
  const boxes = [...document.querySelectorAll('input[name="verdict"]')];
  const text = (row) => {
    if (row.text === null) {
      const held = row.kept ?? row.panel;
      const modules = [...held.querySelectorAll(".subject > summary > code")].map((each) => each.textContent);
      row.text = [row.name, row.version, row.declaration, row.reason, ...modules].join("\n").toLowerCase();
    }
    return row.text;
  };
  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const verdicts = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
    const fits = (row) => {
      if (verdicts.size > 0) {
        const found = mode.value ? [row.modes.get(mode.value)] : [...row.modes.values()];
        if (!found.some((verdict) => verdicts.has(verdict))) return false;
      }
      return words.length === 0 || words.every((word) => text(row).includes(word));
    };
    for (const row of rows) row.body.hidden = !fits(row);
    tell("");
    label();
  };
  const reset = () => {
    search.value = "";
    mode.value = "";
    for (const box of boxes) box.checked = false;
    filter();
  };
  const count = at("count");
  const tell = (what) => {
    const visible = shown().length;
    at("nothing").hidden = visible > 0;
    const all = visible === rows.length ? `${rows.length} distributions` : `${visible} of ${rows.length} distributions`;
    const order = what || (state.by ? `sorted by ${state.by}${state.down ? ", reversed" : ""}` : "");
    count.textContent = order ? `${all}, ${order}` : all;
  };
  search.addEventListener("input", filter);
  mode.addEventListener("change", filter);
  for (const box of boxes) box.addEventListener("change", filter);
  at("reset").addEventListener("click", () => { reset(); sort(null, false); });
  document.querySelector("[data-reset]").addEventListener("click", reset);
  for (const button of document.querySelectorAll("[data-show]")) {
    button.disabled = false;
    button.title = "Show these below";
    button.addEventListener("click", () => {
      search.value = "";
      mode.value = button.dataset.in;
      for (const box of boxes) box.checked = box.value === button.dataset.show;
      filter();
      at("table").scrollIntoView();
      at("table").focus({ preventScroll: true });
    });
  }

  // Open or close all rows that are shown.
  const all = at("open");
  const label = () => {
    const visible = shown();
    const isOpen = visible.length > 0 && visible.every((row) => row.details.open);
    all.textContent = isOpen ? "Close all" : "Open all";
  };
  all.addEventListener("click", () => {
    const visible = shown();
    const open = !visible.every((row) => row.details.open);
    for (const row of visible) {
      row.details.open = open;
      fill(row);
    }
    label();
  });
  for (const row of rows) {
    row.details.addEventListener("toggle", () => {
      fill(row);
      label();
    });
    row.body.rows[0].addEventListener("click", (event) => {
      if (event.target.closest("a") || String(getSelection())) return;
      row.details.open = !row.details.open;
    });
  }

  // Links: open the target, and scroll its row below the header.
  const measure = () => {
    const isTable = getComputedStyle(head).position === "sticky";
    root.style.setProperty("--head", isTable ? `${head.offsetHeight}px` : "0px");
  };
  const target = () => {
    let id = location.hash.slice(1);
    try { id = decodeURIComponent(id); } catch { /* keep it as it is */ }
    const normal = id.toLowerCase().replace(/[-_.]+/g, "-");
    return id ? document.getElementById(id) ?? document.getElementById(normal) : null;
  };
  const follow = () => {
    const found = target();
    if (!found) return;
    const row = rows.find((each) => each.body.contains(found));
    if (row?.body.hidden) reset();
    for (let each = found.closest("details"); each; each = each.parentElement.closest("details")) each.open = true;
    if (row) fill(row);
    measure();
    (row ? row.body : found.closest("details") ?? found).scrollIntoView({ block: "start" });
    for (const each of rows) each.body.classList.toggle("here", each === row);
    if (row) row.summary.focus({ preventScroll: true });
  };
  addEventListener("hashchange", follow);
  addEventListener("load", follow);
  addEventListener("resize", measure);
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.('a[href^="#"]');
    if (link && link.hash === location.hash) follow();
  });

  // Keys.
  const move = (step) => {
    const visible = shown();
    const here = visible.findIndex((row) => row.body.contains(document.activeElement));
    const next = visible[Math.min(Math.max(here + step, 0), visible.length - 1)];
    next?.summary.focus();
  };
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const isTyping = event.target.matches?.("input[type=search], select, pre");
    if (event.key === "/" && !isTyping) {
      event.preventDefault();
      search.focus();
    } else if (event.key === "Escape" && (event.target === search || search.value)) {
      search.value = "";
      filter();
    } else if (!isTyping && event.target.closest?.(".row")) {
      const steps = { ArrowDown: 1, ArrowUp: -1 };
      if (event.key in steps) {
        event.preventDefault();
        move(steps[event.key]);
      }
    } else if (event.target === search && event.key === "ArrowDown") {
      event.preventDefault();
      shown()[0]?.summary.focus();
    }
  });

  // Theme: follows the system until it is changed here.
  const theme = at("theme");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);
  const paint = () => {
    theme.textContent = isDark() ? "Light" : "Dark";
    theme.setAttribute("aria-label", `Switch to the ${isDark() ? "light" : "dark"} theme`);
  };
  try {
    const kept = localStorage.getItem("wsgiaudit-theme");
    if (kept === "dark" || kept === "light") root.dataset.theme = kept;
  } catch { /* no storage: follow the system */ }
  theme.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try { localStorage.setItem("wsgiaudit-theme", root.dataset.theme); } catch { /* no storage: not remembered */ }
    paint();
  });
  dark.addEventListener("change", paint);

  for (const each of document.querySelectorAll(".needs-script")) each.hidden = false;
  root.classList.add("scripted");
  paint();
  measure();
  label();
})();
