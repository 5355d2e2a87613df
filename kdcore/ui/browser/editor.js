// An editor that forgets nothing: every key is kept in this browser at once and by the server within a second.
const WAIT = 400, LONGEST = 900; // milliseconds from the last key, and from the first that is not sent
const NAMES = ["question", "answer", "note"];
const open = new WeakMap();

export default function (component) {
  const host = component.parentElement, data = component.data;
  const known = open.get(host);
  if (known && known.key === data.key) { known.component = component; return known.leave; }
  if (known) known.leave();
  const box = host.querySelector(".editor"), fields = Object.fromEntries(NAMES.map((name) => [name, box.querySelector("." + name)]));
  const told = box.querySelector(".told");
  const state = { key: data.key, component, timer: 0, first: 0, sent: 0 };
  const now = () => Object.fromEntries(NAMES.map((name) => [name, fields[name].value]));

  const mine = stored(data.key), newest = mine && (!data.draft || mine.time > data.draft.time) ? mine : data.draft;
  for (const name of NAMES) fields[name].value = (newest || data.text)[name] || "";
  say(newest ? "Your draft of " + clock(newest.time) : "");

  function say(text) { told.textContent = text; }
  function send() {
    clearTimeout(state.timer);
    state.timer = state.first = 0;
    if (state.ended) return; // what was saved is no draft any more
    state.sent = Date.now();
    state.component.setStateValue("draft", { ...now(), time: state.sent, key: data.key });
    say("Draft kept " + clock(state.sent));
  }
  function typed() {
    const time = Date.now();
    try { localStorage.setItem(data.key, JSON.stringify({ ...now(), time })); } catch { /* a browser that keeps nothing */ }
    state.first ||= time;
    clearTimeout(state.timer);
    state.timer = setTimeout(send, Math.max(0, Math.min(WAIT, state.first + LONGEST - time)));
  }
  function end(name) {
    clearTimeout(state.timer);
    state.ended = true; // this browser's copy stays until the server says that it has the text (hands.js)
    state.component.setTriggerValue(name, { ...now(), time: Date.now(), key: data.key });
    setTimeout(() => { state.ended = false; }, 2000); // the page did not take it: go on keeping drafts
  }
  const hear = {
    input: typed,
    keydown: (event) => {
      event.stopPropagation(); // no letter typed here is a key of the page
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) end("save");
      if (event.key === "Escape") { if (state.timer) send(); state.component.setTriggerValue("close", { key: data.key }); }
    },
    click: (event) => { const what = event.target.dataset?.does; if (what) end(what); },
  };
  for (const [name, listener] of Object.entries(hear)) box.addEventListener(name, listener);
  const last = () => { if (state.timer) send(); };
  addEventListener("pagehide", last);
  state.leave = () => {
    if (state.timer) send();
    for (const [name, listener] of Object.entries(hear)) box.removeEventListener(name, listener);
    removeEventListener("pagehide", last);
    open.delete(host);
  };
  open.set(host, state);
  if (newest && newest === mine && !(data.draft && data.draft.time >= mine.time)) send(); // the server had died before it came
  fields.answer.focus();
  return state.leave;
}

function stored(key) {
  try { return JSON.parse(localStorage.getItem(key)); } catch { return null; }
}

function clock(time) {
  return new Date(time).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
}
