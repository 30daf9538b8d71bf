"use strict";
// Everything is shown by textContent: paths and names are from strangers.
const find = id => document.getElementById(id);
const say = (id, text) => { find(id).textContent = text; };
const make = (tag, name, text) => {
  const element = document.createElement(tag);
  if (name) element.className = name;
  if (text !== undefined) element.textContent = text;
  return element;
};
const time = seconds =>
  seconds === null || seconds === undefined ? "-"
  : seconds < 0.01 ? (seconds * 1000).toFixed(2) + " ms"
  : seconds < 0.1 ? (seconds * 1000).toFixed(1) + " ms"
  : seconds < 1 ? (seconds * 1000).toFixed(0) + " ms"
  : seconds < 100 ? seconds.toFixed(1) + " s"
  : seconds < 36000 ? seconds.toFixed(0) + " s"
  : (seconds / 3600).toFixed(0) + " h";
const share = part => part === null || part === undefined ? "-" : (part * 100).toFixed(0) + " %";
const number = value =>
  value === null || value === undefined ? "-" : value < 10 ? value.toFixed(1) : value.toFixed(0);
const bytes = count =>
  count === null || count === undefined ? "-"
  : count < 1e6 ? (count / 1e3).toFixed(0) + " kB"
  : count < 1e9 ? (count / 1e6).toFixed(0) + " MB"
  : (count / 1e9).toFixed(1) + " GB";
const clock = seconds => new Date(seconds * 1000).toLocaleTimeString();

let rules = new Map();
let last = null;

// Keeps the elements of a list, so that what the reader has opened stays open.
function updateList(box, items, keyOf, create, update, nothing) {
  const before = new Map([...box.children].map(child => [child.dataset.key, child]));
  const shown = items.map(item => {
    const key = keyOf(item);
    let element = before.get(key);
    if (!element) {
      element = create(item);
      element.dataset.key = key;
    }
    update(element, item);
    return element;
  });
  if (!shown.length) {
    const note = before.get("nothing") || make("p", "note");
    note.dataset.key = "nothing";
    if (note.textContent !== nothing) note.textContent = nothing;
    shown.push(note);
  }
  const isSame = shown.length === box.children.length && shown.every((each, at) => each === box.children[at]);
  if (!isSame) box.replaceChildren(...shown);
}

function updateRows(body, rows, columns) {
  if (!rows.length) {
    const cell = make("td", "note", "none yet");
    cell.colSpan = columns;
    const row = make("tr");
    row.append(cell);
    body.replaceChildren(row);
    return;
  }
  body.replaceChildren(...rows.map(cells => {
    const row = make("tr");
    row.append(...cells.map(text => make("td", "", text)));
    return row;
  }));
}

function showFindings(frame, process) {
  const waits = !process || process.period === 0;
  updateList(find("findings"), frame.processes.flatMap(each => each.findings), item => item.rule + " " + item.subject, item => {
    const box = make("article", "finding");
    box.append(make("b", "", item.rule), make("span", "message"), make("p", "advice"));
    const rule = rules.get(item.rule);
    if (rule) {
      const more = make("details");
      more.append(make("summary", "", "How this is found (wsgiaudit explain " + item.rule + ")"));
      more.append(make("p", "", rule.title + "\n\n" + rule.found));
      box.append(more);
    }
    return box;
  }, (box, item) => {
    box.querySelector(".message").textContent = ": " + item.subject + ": " + item.message;
    box.querySelector(".advice").textContent = "What to do: " + item.advice;
  }, waits ? "No figures yet." : "Nothing was found.");
}

function showProcesses(frame) {
  const sum = name => frame.processes.reduce((total, each) => total + (each[name] || 0), 0);
  say("processes-note", frame.processes.length > 1
    ? "together " + number(sum("throughput")) + " requests/s, " + sum("cpu").toFixed(2) + " CPU, " + bytes(sum("memory"))
    : "");
  updateRows(find("processes"), frame.processes.map(each => [
    each.slot + 1, each.pid, each.state || "-", number(each.throughput), share(each.busy),
    each.cpu === null ? "-" : each.cpu.toFixed(2), bytes(each.memory), time(each.response?.p50), time(each.response?.p95),
    time(each.response?.p99), time(each.gil_wait?.mean),
  ]), 11);
}

function showFigures(frame, process) {
  say("throughput", number(process.throughput) + " requests/s");
  say("answers", process.answers.map((count, at) => (at + 1) + "xx " + count).slice(1).join(", "));
  say("capacity", share(process.busy));
  say("threads", "of " + (process.threads ?? "-") + " threads; " + frame.active + " requests open");
  find("capacity-bar").style.transform = "scaleX(" + (process.busy || 0) + ")";
  const { response, queue, gil_wait: gil } = process;
  say("response", time(response.mean));
  say("quantiles", "mean; p50 " + time(response.p50) + ", p95 " + time(response.p95) + ", p99 " + time(response.p99));
  say("queue", time(queue.mean));
  say("gil", "for a thread, p95 " + time(queue.p95) + "; for the GIL " + time(gil.mean) + ", p95 " + time(gil.p95));
  say("cpu", process.cpu === null ? "-" : process.cpu.toFixed(2) + " CPU");
  say("memory", bytes(process.memory) + " resident, at most " + bytes(process.memory_maximum));
  updateRows(find("interpreters"), process.interpreters.map(each => [
    each.name, number(each.throughput), share(each.busy), time(each.application.p50), time(each.application.p95),
    time(each.gil_wait.mean), time(each.gil_wait.p95),
    each.application.mean ? share((each.gil_wait.mean || 0) / each.application.mean) : "-",
  ]), 8);
}

function showSlowRequests(frame) {
  const threshold = frame.slow_threshold;
  say("slow-note", threshold === null ? "" : "longer than " + time(threshold));
  updateList(find("slow"), frame.slow_requests, item => item.start + " " + item.thread, () => {
    const box = make("div", "slow");
    const head = make("p");
    head.append(make("span", "path"), make("span", "took"));
    box.append(head, make("p", "sub times"), make("div", "stack"));
    return box;
  }, (box, item) => {
    box.querySelector(".path").textContent = (item.method || "") + " " + item.path;
    const took = box.querySelector(".took");
    took.className = item.is_complete ? "took" : "took running";
    took.textContent = " " + time(item.duration) + (item.is_complete ? ", status " + item.status : ", running");
    box.querySelector(".times").textContent = clock(item.start) + "  " + item.interpreter + ", thread " + item.thread +
      "; queue " + time(item.queue) + ", application " + time(item.application) + ", GIL wait " + time(item.gil_wait);
    showStack(box.querySelector(".stack"), item);
  }, threshold === null ? "Not measured: serve --slow-requests SECONDS." : "None yet.");
}

function showStack(box, item) {
  // A stack does not change.
  if (box.dataset.done) return;
  if (item.stack) {
    const more = make("details");
    const inner = item.stack[0];
    more.append(make("summary", "", "was in " + inner.function + ", " + inner.file + ":" + inner.line));
    const list = make("ol");
    list.append(...item.stack.map(frame => make("li", "", frame.function + "  " + frame.file + ":" + frame.line)));
    if (item.is_stack_cut) list.append(make("li", "", "and more"));
    more.append(list);
    box.replaceChildren(more);
  } else {
    const why = item.stack_missing || "being read";
    box.replaceChildren(make("p", "sub", "No stack: " + why));
  }
  if (item.stack || item.stack_missing) box.dataset.done = "1";
}

function showEvents(frame) {
  updateRows(find("events"), frame.snapshot.events.slice(0, 100).map(event => [
    clock(event.time), event.pid, event.event, event.reason || "", event.uptime === null ? "" : time(event.uptime),
    event.requests ?? "", event.cut_off ?? "",
  ]), 7);
}

// Charts.
function openCanvas(id, height) {
  const canvas = find(id);
  const ratio = window.devicePixelRatio || 1;
  const wide = canvas.clientWidth;
  const high = height || canvas.clientHeight;
  if (height) canvas.style.height = height + "px";
  canvas.width = Math.round(wide * ratio);
  canvas.height = Math.round(high * ratio);
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  return [context, wide, high];
}
const color = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function drawLine(id, values) {
  const [context, wide, high] = openCanvas(id);
  const most = Math.max(...values.map(value => value || 0), 1e-9);
  context.strokeStyle = color("--accent");
  context.lineWidth = 1.5;
  context.beginPath();
  let isDown = false;
  values.forEach((value, at) => {
    if (value === null) { isDown = false; return; }
    const x = wide - (values.length - 1 - at) * (wide / 119);
    const y = high - 2 - (value / most) * (high - 4);
    if (isDown) context.lineTo(x, y); else context.moveTo(x, y);
    isDown = true;
  });
  context.stroke();
}

function drawHeat(history) {
  const columns = history.columns;
  const threads = Math.max(...columns.map(column => column.busy.length), 1);
  const row = Math.max(8, Math.min(26, Math.floor(176 / threads)));
  const [context, wide] = openCanvas("heat", row * threads);
  const mix = (() => {
    const [cold, hot] = ["--cold", "--hot"].map(name => color(name).split(",").map(Number));
    return level => "rgb(" + cold.map((part, at) => Math.round(part + (hot[at] - part) * level)).join(",") + ")";
  })();
  const shades = Array.from({ length: 10 }, (_, level) => mix(level / 9));
  const side = Math.min(140, wide / 4);
  context.font = "12px system-ui, sans-serif";
  context.fillStyle = color("--dim");
  context.textBaseline = "top";
  let at = 0;
  for (const [name, count] of history.interpreters) {
    if (at < threads) context.fillText(name, 0, at * row + Math.min(4, (row - 8) / 2), side - 6);
    at += count;
  }
  const width = (wide - side) / 120;
  columns.forEach((column, index) => {
    const x = side + (120 - columns.length + index) * width;
    [...column.busy].forEach((digit, thread) => {
      context.fillStyle = shades[Number(digit)];
      context.fillRect(x, thread * row, Math.max(width - 1, 1), row - 1);
    });
  });
  const newest = columns.at(-1);
  const busy = newest ? [...newest.busy].filter(digit => Number(digit) >= 5).length : 0;
  say("heat-text", newest ? busy + " of " + newest.busy.length + " threads were busy for half of the last interval or more" : "");
  // The left edge, also while there are fewer intervals than have space.
  const interval = columns.length > 1 ? (newest.time - columns[0].time) / (columns.length - 1) : 0;
  say("heat-from", interval ? time(interval * 119) + " ago" : "");
}

function draw() {
  if (!last) return;
  const columns = last.history.columns;
  drawLine("throughput-chart", columns.map(column => column.throughput));
  drawLine("response-chart", columns.map(column => column.p95));
  drawLine("cpu-chart", columns.map(column => column.cpu));
  drawHeat(last.history);
}

function showState(state, text) {
  const box = find("state");
  box.dataset.state = state;
  if (box.textContent !== text) box.textContent = text;
  document.body.classList.toggle("stale", state === "lost");
}

function showGreeting(greeting) {
  rules = new Map(greeting.rules.map(rule => [rule.id, rule]));
  const count = greeting.ports.length;
  document.title = "wsgiaudit: " + greeting.group;
  say("group", greeting.group);
  const which = count > 1 ? "process " + (greeting.slot + 1) + " of " + count + ", pid " : "process ";
  say("process", which + greeting.pid + ", Python " + greeting.python + ", " + greeting.host);
  // Behind a proxy, the ports are others.
  const isDirect = String(greeting.ports[greeting.slot]) === location.port;
  find("others").replaceChildren(...(count > 1 && isDirect ? greeting.ports : []).map((port, slot) => {
    const link = make(slot === greeting.slot || port === null ? "b" : "a", "", "process " + (slot + 1));
    if (link.tagName === "A") link.href = location.protocol + "//" + location.hostname + ":" + port + "/";
    return link;
  }));
}

function showFrame(frame) {
  last = frame;
  const process = frame.snapshot.processes[0];
  showState("live", process && process.state !== "serving" ? process.state : "live");
  showFindings(frame, process);
  if (process) showFigures(frame, process);
  showProcesses(frame);
  showSlowRequests(frame);
  showEvents(frame);
  draw();
}

function connect() {
  const source = new EventSource("live");
  source.addEventListener("greeting", event => showGreeting(JSON.parse(event.data)));
  source.onmessage = event => showFrame(JSON.parse(event.data));
  source.onerror = () => {
    showState("lost", "disconnected, trying again");
    // A refusal ends the stream for good.
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, 3000);
  };
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
addEventListener("resize", draw);
connect();
