// The name is remembered in this browser; a held key decides nothing, nor does a key whose button can't be seen.
const NAME = "kd.name";

export default function (component) {
  const { keys, anchor, name, forget } = component.data;
  try {
    for (const [key, ended] of Object.entries(forget || {})) {
      const draft = JSON.parse(localStorage.getItem(key) || "null");
      if (draft && draft.time <= ended) localStorage.removeItem(key);
    }
    if (name) localStorage.setItem(NAME, name);
    else if (localStorage.getItem(NAME)) component.setTriggerValue("remembered", localStorage.getItem(NAME));
  } catch { /* a browser that keeps nothing asks again */ }
  function guard(event) {
    if (!keys.includes(event.key.toLowerCase()) || event.ctrlKey || event.metaKey || event.altKey) return;
    const button = document.querySelector(anchor);
    const seen = button && button.checkVisibility({ visibilityProperty: true, opacityProperty: true }) && button.getClientRects().length;
    if (event.repeat || !seen) event.stopImmediatePropagation();
  }
  window.addEventListener("keydown", guard, true);
  return () => window.removeEventListener("keydown", guard, true);
}
